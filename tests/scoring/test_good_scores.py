"""Patch scores in units of the good patches' spread by position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.scoring.good_scores import GoodScores

RNG = np.random.default_rng(0)


def test_every_position_gets_its_own_mean():
    level = np.zeros((12, 12))
    level[:, 6:] = 50  # where good parts score high
    good = GoodScores.of(level + RNG.normal(size=(400, 12, 12)))
    standard = good.standardize((level + RNG.normal(size=(200, 12, 12))).astype(np.float32))
    assert standard.dtype == np.float32
    assert np.abs(standard[..., :4].mean()) < 0.1
    assert np.abs(standard[..., 8:].mean()) < 0.1
    assert standard[..., :4].std() == pytest.approx(1, abs=0.1)


def test_a_defect_in_a_calm_place_stands_out_of_a_restless_one():
    scores = np.where(np.arange(12) < 8, 1.0, 10.0) * RNG.normal(size=(400, 12, 12))
    good = GoodScores.of(scores)
    defect = np.zeros((1, 12, 12))
    defect[0, 6, 2] = defect[0, 6, 10] = 8
    standard = good.standardize(defect)[0]
    assert standard[6, 2] > 2 * standard[6, 10] > 0


def test_the_spread_is_at_least_its_median():
    scores = RNG.normal(size=(50, 8, 8))
    scores[:, :2] = 0  # good parts do not differ there at all
    good = GoodScores.of(scores)
    assert good.spread.min() == pytest.approx(np.median(good.spread), rel=0.3)
    assert good.spread.min() > 0.5


@pytest.mark.parametrize("value", [0.0, -3.5])
def test_equal_scores_are_not_divided_by_zero(value):
    good = GoodScores.of(np.full((20, 4, 4), value))
    assert good.standardize(np.full((1, 4, 4), value)).tolist() == np.zeros((1, 4, 4)).tolist()


@given(shift=st.floats(-100, 100), scale=st.floats(0.01, 100))
def test_the_unit_of_the_scores_does_not_matter(shift, scale):
    scores, part = RNG.normal(size=(30, 5, 5)), RNG.normal(size=(1, 5, 5))
    expected = GoodScores.of(scores).standardize(part)
    found = GoodScores.of(shift + scale * scores).standardize(shift + scale * part)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("spread", [0.0, -1.0, float("nan")])
def test_a_spread_that_is_not_positive_is_refused(spread):
    spreads = np.ones((4, 4), np.float32)
    spreads[1, 2] = spread
    with pytest.raises(InputError, match="positive spread"):
        GoodScores(np.zeros((4, 4), np.float32), spreads)
    with pytest.raises(InputError, match="positive spread"):
        GoodScores(np.zeros((4, 4), np.float32), np.ones((4, 5), np.float32))
