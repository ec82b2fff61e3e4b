import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plain_configuration import DEFAULTS, configuration
from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS, expand

GRIDS = st.lists(
    st.dictionaries(
        st.sampled_from(["n_neighbors", "alpha", "seed"]),
        st.lists(st.integers(0, 3), max_size=4),
        max_size=3,
    ),
    max_size=3,
)


def test_the_last_field_of_a_grid_changes_fastest():
    configurations = expand([{"detector": ["nearest", "ldknn"], "n_neighbors": [5, 1]}], DEFAULTS)
    assert configurations == [
        configuration(detector="nearest", n_neighbors=5),
        configuration(detector="nearest", n_neighbors=1),
        configuration(detector="ldknn", n_neighbors=5),
        configuration(detector="ldknn", n_neighbors=1),
    ]


@given(GRIDS)
def test_every_combination_is_there_once(grids):
    combinations = [
        configuration(n_neighbors=k, alpha=alpha, seed=seed)
        for grid in grids
        for k in grid.get("n_neighbors", [DEFAULTS["n_neighbors"]])
        for alpha in grid.get("alpha", [DEFAULTS["alpha"]])
        for seed in grid.get("seed", [DEFAULTS["seed"]])
    ]
    configurations = expand(grids, DEFAULTS)
    assert len(configurations) == len(set(configurations))
    assert set(configurations) == set(combinations)


def test_grids_follow_one_another_and_repeat_nothing():
    configurations = expand([{"seed": [1, 0]}, {}, {"seed": [2, 1]}], DEFAULTS)
    assert [each.seed for each in configurations] == [1, 0, 2]


def test_a_setting_that_no_configuration_has():
    with pytest.raises(
        InputError, match=r"Setting of a study 'aplha' is unknown: did you mean 'al"
    ):
        expand([{"aplha": [1.0]}], DEFAULTS)


def test_settings_are_json_values():
    settings = configuration(alpha="auto", shots=5).settings()
    assert list(settings) == CONFIGURATION_FIELDS == list(DEFAULTS)
    assert json.loads(json.dumps(settings)) == DEFAULTS | {"alpha": "auto", "shots": 5}
