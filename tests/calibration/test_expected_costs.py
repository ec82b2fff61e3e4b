"""Thresholds of lowest expected cost, against all pairs of thresholds and simulated parts."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.calibration.costs import Prices, Thresholds, cost_curve, expected_cost
from reb_pipeline.core.errors import InputError

SCORES = st.lists(st.integers(0, 12), min_size=1, max_size=14)
PRICE = st.sampled_from([0.1, 1.0, 3.0, 20.0, 400.0])


def cost_by_hand(good, defective, prices, lower, higher):
    """Expected cost of a part, kind by kind."""
    n, m, p = len(good), len(defective), prices.defect_rate
    alarms = (1 + sum(score > higher for score in good)) / (n + 1)
    looks = (1 + sum(score > lower for score in good)) / (n + 1) - alarms
    escapes = sum(score <= lower for score in defective) / m
    second = sum(lower < score <= higher for score in defective) / m
    look = prices.second_look or 0.0
    of_good = prices.false_alarm * alarms + look * looks
    return (1 - p) * of_good + p * (prices.escape * escapes + look * second)


@given(
    good=SCORES, defective=SCORES, alarm=PRICE, escape=PRICE, look=st.none() | PRICE,
    defect_rate=st.sampled_from([0.001, 0.1, 0.5, 0.9]),
)  # fmt: skip
def test_no_other_pair_of_calibration_scores_is_cheaper(
    good, defective, alarm, escape, look, defect_rate
):
    prices = Prices(alarm, escape, defect_rate, look)
    found = cost_curve(good, defective, prices).cheapest
    lower = found.image_threshold if found.doubtful_threshold is None else found.doubtful_threshold
    pairs = [
        (one, other)
        for one, other in combinations_with_replacement(sorted(set(good)), 2)
        if look is not None or one == other
    ]
    cheapest = min(cost_by_hand(good, defective, prices, *pair) for pair in pairs)
    cost = cost_by_hand(good, defective, prices, lower, found.image_threshold)
    assert cost == pytest.approx(cheapest, rel=1e-9)
    stated = expected_cost(good, defective, prices, found)
    assert stated.expected == pytest.approx(cost, rel=1e-9)
    assert stated.low <= stated.high


def test_a_second_look_is_taken_where_it_is_cheap():
    good, defective = np.arange(100), np.arange(50, 150)
    dear, cheap = (
        cost_curve(good, defective, Prices(1, 10, 0.1, look)).cheapest for look in (0.9, 0.01)
    )
    assert cheap.doubtful_threshold == 49
    assert dear.doubtful_threshold is None or dear.doubtful_threshold > 49


def test_the_interval_covers_the_true_cost():
    """Of normal scores, with thresholds at fixed ranks: the true cost follows from the distribution."""
    from scipy.stats import norm

    rng, prices, covered, n, m = np.random.default_rng(0), Prices(1, 20, 0.05, 0.2), 0, 39, 30
    for _ in range(60):
        good, defective = np.sort(rng.normal(size=n)), rng.normal(2, 1, size=m)
        higher, lower = good[-2], good[-6]
        found = expected_cost(good, defective, prices, Thresholds(higher, lower))
        good_shares = norm.sf(higher), norm.cdf(higher) - norm.cdf(lower)
        bad_shares = norm.cdf(lower, 2), norm.cdf(higher, 2) - norm.cdf(lower, 2)
        true = 0.95 * np.dot([1, 0.2], good_shares) + 0.05 * np.dot([20, 0.2], bad_shares)
        covered += found.low <= true <= found.high
    assert covered >= 54  # of 60: 95 % of them are 57


def test_several_defects_on_one_part_are_worth_one():
    good, defective, prices = np.arange(1000), np.arange(400, 600), Prices(1, 100, 0.5)
    alone = expected_cost(good, defective, prices, Thresholds(500.0))
    together = expected_cost(good, defective, prices, Thresholds(500.0), parts=list(range(10)) * 20)
    assert together.expected == alone.expected
    assert together.high - together.low > 3 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"false_alarm": 0}, "price of a false alarm, 0, cannot be used"),
        ({"escape": float("inf")}, "price of an escape, inf, cannot"),
        ({"second_look": -1}, "price of a second look, -1, cannot"),
        ({"defect_rate": 1}, "defect rate of 1 cannot be used"),
    ],
)
def test_a_price_that_cannot_be_used_is_refused(values, fault):
    with pytest.raises(InputError, match=fault):
        Prices(**{"false_alarm": 1, "escape": 1, "defect_rate": 0.1, **values})


def test_without_scores_of_defects_nothing_is_said():
    with pytest.raises(InputError, match="need scores of defects: train with folders of defective"):
        cost_curve([1, 2], [], Prices(1, 1, 0.1))
    with pytest.raises(InputError, match="need scores of good images"):
        expected_cost([], [1], Prices(1, 1, 0.1), Thresholds(1.0))


def test_the_interval_has_the_cost_where_no_defect_escapes():
    found = expected_cost(range(99), [200] * 12, Prices(1, 10_000, 0.5), Thresholds(98.0))
    assert found.escapes == 0
    assert found.low == found.expected == pytest.approx(0.005)
