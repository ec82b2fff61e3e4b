"""The choice of a default by other data sets."""

import pandas as pd
import pytest

from reb_pipeline.studies.leave_out import leave_one_data_set_out, overview

DATA_SETS = {"pill": "mvtec", "bottle": "mvtec", "cookie": "cookie", "mono": "elpv"}
VALUES = pd.DataFrame(
    {"pill": [90.0, 95, 80], "bottle": [99.0, 98, 80], "cookie": [80.0, 70, 99], "mono": [90.0, 91, 50]},
    index=["a", "b", "c"],
)  # fmt: skip


def test_the_choice_does_not_see_the_data_set_it_is_reported_on():
    found = leave_one_data_set_out(VALUES, DATA_SETS)
    # a: cookie 80 and elpv 90; b: 70 and 91; c: 99 and 50.
    assert found.loc[["pill", "bottle"], "configuration"].tolist() == ["a", "a"]
    # On MVTec and ELPV alone b is best, though c would be on the cookies themselves.
    assert found.loc["cookie", "configuration"] == "b"
    assert found.loc["cookie", ["value", "oracle", "regret"]].tolist() == [70, 99, 29]
    changed = VALUES.assign(cookie=[0, 0, 100])
    assert leave_one_data_set_out(changed, DATA_SETS).loc["cookie", "configuration"] == "b"


def test_a_data_set_of_many_categories_counts_once():
    values = pd.DataFrame(
        {f"c{n}": [1.0, 0.0] for n in range(9)} | {"x": [0.0, 5.0], "y": [0.0, 0.0]}
    )
    names = {f"c{n}": "large" for n in range(9)} | {"x": "x", "y": "y"}
    assert leave_one_data_set_out(values, names).loc["y", "configuration"] == 1


def test_one_data_set_cannot_be_left_out():
    with pytest.raises(ValueError, match="at least two"):
        leave_one_data_set_out(VALUES[["pill", "bottle"]], DATA_SETS)


def test_overview_sorts_by_the_mean_over_data_sets():
    found = overview(VALUES, DATA_SETS)
    assert found.index.tolist() == ["a", "b", "c"]
    assert found.loc["a", "mean"] == pytest.approx((94.5 + 80 + 90) / 3)
    assert found.loc["a", "worst"] == 80
    assert found.loc["a", "regret"] == pytest.approx((5 + 0 + 19 + 1) / 4)
