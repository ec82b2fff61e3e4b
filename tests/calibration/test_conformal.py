import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import betabinom

from reb_pipeline.calibration.conformal import (
    conformal_threshold,
    false_alarm_band,
    images_needed,
    p_values,
    rate_of,
    smallest_rate,
    threshold_rank,
)
from reb_pipeline.core.errors import InputError

# Few different values, so that ties are frequent.
SCORES = st.lists(st.integers(0, 6), max_size=12)
RATES = st.one_of(
    st.floats(1e-3, 0.999),
    st.integers(1, 99).map(lambda percent: float(f"0.{percent:02}")),
)


@given(SCORES, SCORES)
def test_p_values_count_what_scores_at_least_as_high(scores, calibration):
    found = p_values(np.array(scores, np.float32), np.array(calibration, np.float32))
    expected = [
        (1 + sum(c >= score for c in calibration)) / (len(calibration) + 1) for score in scores
    ]
    assert found.dtype == np.float64
    assert found.tolist() == expected


def test_p_values_keep_the_shape():
    assert p_values(0.5, [0.0, 1.0]).shape == ()
    assert p_values(np.zeros((2, 3)), [0.0, 1.0]).shape == (2, 3)


@given(SCORES, st.floats(-1, 7), st.floats(-1, 7))
def test_the_rate_of_a_threshold_is_the_largest_p_value_of_what_it_flags(
    calibration, threshold, score
):
    rate = rate_of(calibration, threshold)
    assert rate == pytest.approx(
        float(Fraction(1 + sum(c > threshold for c in calibration), len(calibration) + 1))
    )
    if score > threshold:
        assert p_values(score, calibration) <= rate
    if 0 < rate < 1:  # the threshold of the rate flags the same good images
        again = conformal_threshold(calibration, rate)
        assert [c > again for c in calibration] == [c > threshold for c in calibration]


@given(st.integers(1, 40), RATES, st.integers(0, 2**32 - 1))
def test_of_exchangeable_images_exactly_the_promised_share_is_flagged(n, rate, seed):
    """Each of n + 1 distinct scores is as likely to be the new one: enumerate them all."""
    scores = np.random.default_rng(seed).permutation(n + 1).astype(float)
    flagged = [
        scores[new] > conformal_threshold(np.delete(scores, new), rate) for new in range(n + 1)
    ]
    assert sum(flagged) == threshold_rank(n, rate)
    assert sum(flagged) / (n + 1) <= rate < (sum(flagged) + 1) / (n + 1)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=15), RATES)
def test_ties_flag_no_more(scores, rate):
    flagged = [
        score > conformal_threshold(scores[:new] + scores[new + 1 :], rate)
        for new, score in enumerate(scores)
    ]
    assert sum(flagged) <= threshold_rank(len(scores) - 1, rate)


@given(SCORES, st.lists(st.integers(-1, 7), min_size=1), RATES)
def test_above_the_threshold_is_where_the_p_value_is_at_most_the_rate(calibration, scores, rate):
    above = np.array(scores) > conformal_threshold(calibration, rate)
    assert above.tolist() == (p_values(scores, calibration) <= rate).tolist()


@pytest.mark.parametrize("n_plus_one", [2, 3, 7, 10, 20, 29, 49, 100, 1000, 12345])
def test_rank_knows_no_rounding(n_plus_one):
    for k in range(1, min(n_plus_one, 300)):
        assert threshold_rank(n_plus_one - 1, k / n_plus_one) == k
    for percent in range(1, 100):
        exact = math.floor(Fraction(percent, 100) * n_plus_one)
        assert threshold_rank(n_plus_one - 1, float(f"0.{percent:02}")) == exact


@pytest.mark.parametrize(
    "rate", [0.5, 0.34, 0.3, 1 / 3, 0.1, 0.07, 0.05, 1 / 49, 0.01, 0.001, 0.999]
)
def test_fewest_images_for_a_rate(rate):
    n = images_needed(rate)
    assert smallest_rate(n) <= rate
    assert n == 0 or smallest_rate(n - 1) > rate


def test_too_few_images_flag_nothing():
    assert threshold_rank(18, 0.05) == 0
    assert conformal_threshold(np.arange(18.0), 0.05) == math.inf
    assert conformal_threshold([], 0.05) == math.inf
    assert conformal_threshold(np.arange(19.0), 0.05) == 18
    assert false_alarm_band(18, 0.05, 200) == (0, 0, (0, 0))


@given(
    st.integers(1, 3000), st.floats(0.01, 0.9), st.integers(1, 3000), st.sampled_from((0.5, 0.95))
)
def test_the_band_is_beta_binomial(n, rate, n_parts, confidence):
    assume(k := threshold_rank(n, rate))
    flagged, found = (
        betabinom(n_parts, k, n + 1 - k),
        false_alarm_band(n, rate, n_parts, confidence),
    )
    tail = (1 - confidence) / 2
    bounds = ((found.at_most, confidence), (found.band[0], tail), (found.band[1], 1 - tail))
    for bound, share in bounds:
        assert flagged.cdf(bound) >= share - 1e-9
        assert flagged.cdf(bound - 1) <= share + 1e-9


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan])
def test_rates_that_mean_nothing(rate):
    with pytest.raises(InputError, match=rf"false-alarm rate of {rate} .* between 0 and 1"):
        conformal_threshold([1.0], rate)


@pytest.mark.parametrize(
    ("n", "rate", "n_parts"), [(29, 0.05, 200), (99, 0.1, 50), (199, 0.01, 30)]
)
def test_band_is_what_is_seen(n, rate, n_parts):
    draws = 4000
    rng = np.random.default_rng(0)
    thresholds = np.array([conformal_threshold(rng.random(n), rate) for _ in range(draws)])
    counts = (rng.random((draws, n_parts)) > thresholds[:, None]).sum(axis=1)
    alarms = false_alarm_band(n, rate, n_parts)
    error = counts.std() / math.sqrt(draws)
    assert alarms.expected == pytest.approx(counts.mean(), abs=4 * error)
    margin = 4 * math.sqrt(0.05 * 0.95 / draws)
    assert (counts <= alarms.at_most).mean() >= 0.95 - margin
    assert (counts <= alarms.at_most - 1).mean() < 0.95 + margin
    low, high = alarms.band
    assert ((low <= counts) & (counts <= high)).mean() >= 0.95 - margin
    assert low <= alarms.expected <= high
    assert alarms.at_most <= high
    assert false_alarm_band(n, rate, n_parts, confidence=0.5).at_most < alarms.at_most
