import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_cell import DEFAULTS, cell

from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.configurations import CELL_FIELDS, expand

GRIDS = st.lists(
    st.dictionaries(
        st.sampled_from(["n_neighbors", "alpha", "seed"]),
        st.lists(st.integers(0, 3), max_size=4),
        max_size=3,
    ),
    max_size=3,
)


def test_the_last_field_of_a_grid_changes_fastest():
    cells = expand([{"detector": ["nearest", "ldknn"], "n_neighbors": [5, 1]}], DEFAULTS)
    assert cells == [
        cell(detector="nearest", n_neighbors=5),
        cell(detector="nearest", n_neighbors=1),
        cell(detector="ldknn", n_neighbors=5),
        cell(detector="ldknn", n_neighbors=1),
    ]


@given(GRIDS)
def test_every_combination_is_there_once(grids):
    combinations = [
        cell(n_neighbors=k, alpha=alpha, seed=seed)
        for grid in grids
        for k in grid.get("n_neighbors", [DEFAULTS["n_neighbors"]])
        for alpha in grid.get("alpha", [DEFAULTS["alpha"]])
        for seed in grid.get("seed", [DEFAULTS["seed"]])
    ]
    cells = expand(grids, DEFAULTS)
    assert len(cells) == len(set(cells))
    assert set(cells) == set(combinations)


def test_grids_follow_one_another_and_repeat_nothing():
    cells = expand([{"seed": [1, 0]}, {}, {"seed": [2, 1]}], DEFAULTS)
    assert [each.seed for each in cells] == [1, 0, 2]


def test_a_setting_that_no_cell_has():
    with pytest.raises(
        InputError, match=r"Setting of a study 'aplha' is unknown: did you mean 'al"
    ):
        expand([{"aplha": [1.0]}], DEFAULTS)


def test_settings_are_json_values():
    settings = cell(alpha="auto", shots=5).settings()
    assert list(settings) == CELL_FIELDS == list(DEFAULTS)
    assert json.loads(json.dumps(settings)) == DEFAULTS | {"alpha": "auto", "shots": 5}
