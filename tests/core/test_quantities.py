"""Numbers of functions that users call: each fault gets a sentence that names what was asked, not what is stored."""

import math
from functools import partial

import numpy as np
import pytest

from reb_pipeline.calibration.conformal import (
    check_doubtful_rate,
    conformal_threshold,
    images_needed,
)
from reb_pipeline.calibration.costs import Prices
from reb_pipeline.commands.detector import Detector
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import checked_count, checked_positive, checked_share, is_number
from reb_pipeline.core.settings import Settings, validated
from reb_pipeline.inspection.inspector import Inspector
from reb_pipeline.inspection.threshold import ChosenThreshold
from reb_pipeline.project.budget import Budget

MODEL = "tests/inspection/models/former_records"
NO_NUMBERS = [math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf"), 10**400]
NO_NUMBERS += ["5%", "0.05", "", True, [0.1], {}, b"1"]


def _id(value):
    return repr(value)[:12]


SHARES = {
    "load": lambda rate: Inspector.load(MODEL, false_alarm_rate=rate),
    "load, doubtful": lambda rate: Inspector.load(MODEL, doubtful_rate=rate),
    "fit": lambda rate: Detector.fit("none", "none.model", rate),
    "fit, doubtful": lambda rate: Detector.fit("none", "none.model", doubtful_rate=rate),
    "threshold": partial(conformal_threshold, range(99)),
    "images needed": images_needed,
    "doubtful": lambda rate: check_doubtful_rate(rate, 0.05),
    "doubtful, rate": partial(check_doubtful_rate, 0.1),
    "prices": lambda rate: Prices(1, 1, rate),
}
AMOUNTS = {
    "milliseconds": lambda value: Detector.fit("none", "none.model", max_ms=value),
    "megabytes": partial(Budget, None),
    "false alarm": lambda value: Prices(value, 1, 0.1),
    "second look": partial(Prices, 1, 1, 0.1),
}


@pytest.fixture(scope="module")
def inspector():
    return Inspector.load(MODEL)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, 1, -0.1, 2], ids=_id)
@pytest.mark.parametrize("name", SHARES)
def test_a_rate_that_is_none_names_the_rate(name, value):
    with pytest.raises(InputError, match=r"rate (of|=) .* cannot be used: it must lie between 0"):
        SHARES[name](value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1], ids=_id)
@pytest.mark.parametrize("name", AMOUNTS)
def test_an_amount_that_is_none_is_refused(name, value):
    with pytest.raises(InputError, match="cannot be used: give a number above 0"):
        AMOUNTS[name](value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1, 1.5], ids=_id)
def test_a_count_that_is_none_is_refused(inspector, value):
    with pytest.raises(InputError, match=r"good images, .* give a whole number of at least 1"):
        inspector.explain(inspector.inspect(np.zeros((32, 32, 3), np.uint8)), value)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=_id)
def test_a_threshold_that_is_no_number_is_refused(inspector, value):
    with pytest.raises(InputError, match="flags nothing or everything"):
        ChosenThreshold.of("model", inspector.calibration, value)


def test_numbers_of_numpy_are_numbers():
    assert [is_number(one) for one in (np.float32(0.5), np.int64(3), 10**400)] == [1, 1, 0]
    assert checked_share(np.float64(0.05), "") == 0.05
    assert checked_positive(np.float32(2), "") == 2.0
    assert checked_count(np.int64(3), "") == checked_count(3.0, "") == 3


class _Example(Settings):
    number: float = 1.0
    whole: int | None = None
    switch: bool = False
    either: bool | int = 0


@pytest.mark.parametrize("name", ["number", "whole"])
def test_true_and_false_are_no_numbers_in_the_yaml(name):
    with pytest.raises(InputError, match=rf"{name} cannot be used: Input should not be true or fa"):
        validated(_Example, {name: True}, "example")
    assert validated(_Example, {"switch": True, "either": True}, "example").either is True
