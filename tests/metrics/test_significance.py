import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from reb_pipeline.metrics.significance import (
    auroc,
    auroc_interval,
    delong_test,
    wilcoxon_over_categories,
)

LABELS = np.repeat([0, 1], [30, 25])


@st.composite
def two_methods(draw):
    """Labels with two images of each class at least, and scores with many ties."""
    m, n = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    labels = np.array(draw(st.permutations([1] * m + [0] * n)))
    score = st.lists(st.integers(-3, 3), min_size=m + n, max_size=m + n)
    return labels, np.array(draw(score), float), np.array(draw(score), float)


def pair_by_pair(labels, *methods):
    """DeLong's AUROCs and their covariance from every pair of images, as in the paper of 1988."""
    areas, of_anomalous, of_good = [], [], []
    for scores in methods:
        won = np.array([
            [(x > y) + 0.5 * (x == y) for y in scores[labels == 0]] for x in scores[labels == 1]
        ])  # fmt: skip
        areas.append(won.mean())
        of_anomalous.append(won.mean(axis=1))
        of_good.append(won.mean(axis=0))
    covariance = np.cov(of_anomalous) / won.shape[0] + np.cov(of_good) / won.shape[1]
    return areas, covariance


def noisy_scores(rng, shift):
    return rng.normal(size=len(LABELS)) + shift * LABELS


@settings(max_examples=80, deadline=None)
@given(two_methods())
def test_delong_agrees_with_every_pair(case):
    labels, a, b = case
    areas, covariance = pair_by_pair(labels, a, b)
    comparison = delong_test(labels, a, b)
    variance = max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0)
    assert comparison.difference == pytest.approx(areas[0] - areas[1], abs=1e-12)
    assert comparison.standard_error == pytest.approx(np.sqrt(variance), abs=1e-7)
    if variance > 1e-9:
        assert comparison.z == pytest.approx((areas[0] - areas[1]) / np.sqrt(variance))
        p_value = 2 * stats.norm.cdf(-abs(comparison.z))
        assert comparison.p_value == pytest.approx(p_value)


@settings(max_examples=40, deadline=None)
@given(two_methods())
def test_auroc_of_many_vectors(case):
    labels, a, b = case
    expected = [roc_auc_score(labels, a), roc_auc_score(labels, b)]
    assert auroc(labels, [a, b]) == pytest.approx(expected)


def test_methods_that_rank_alike_do_not_differ():
    scores = noisy_scores(np.random.default_rng(0), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        comparison = delong_test(LABELS, scores, np.exp(scores))
        perfect = delong_test([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])
    assert (comparison.difference, comparison.standard_error) == (0, 0)
    assert (comparison.z, comparison.p_value) == (0, 1)
    assert (perfect.difference, perfect.z, perfect.p_value) == (1, np.inf, 0)


def test_p_values_are_uniform_where_two_methods_are_equally_good():
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(500):
        shared = noisy_scores(rng, 1.5)  # both methods find the same images hard
        a, b = shared + rng.normal(size=(2, len(LABELS)))
        p_values.append(delong_test(LABELS, a, b).p_value)
    assert stats.kstest(p_values, "uniform").statistic < 0.08
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09


def test_delong_finds_a_difference_and_its_sign():
    rng = np.random.default_rng(2)
    good, poor = noisy_scores(rng, 3.0), noisy_scores(rng, 0.3)
    better, worse = delong_test(LABELS, good, poor), delong_test(LABELS, poor, good)
    assert better.difference == pytest.approx(-worse.difference)
    assert better.difference > 0.2
    assert better.p_value == pytest.approx(worse.p_value)
    assert better.p_value < 0.001


@settings(max_examples=60, deadline=None)
@given(two_methods())
def test_interval_holds_every_area_within_two_standard_errors(case):
    """Newcombe's formula on a grid, and DeLong's variance from every pair where it is larger."""
    labels, scores, _ = case
    m, n = np.count_nonzero(labels == 1), np.count_nonzero(labels == 0)
    (area, _), covariance = pair_by_pair(labels, scores, scores)

    def variance(tried):
        other = (m + n) / 2 - 1
        terms = 1 + other * (1 - tried) / (2 - tried) + other * tried / (1 + tried)
        return tried * (1 - tried) * terms / (m * n)

    scale = max(1, covariance[0, 0] / variance(area)) if 0 < area < 1 else 1
    grid = np.linspace(0, 1, 2001)[1:-1]
    inside = grid[(grid - area) ** 2 <= 1.6448536**2 * scale * variance(grid)]
    low, high = auroc_interval(labels, scores, confidence=0.9)
    assert low <= area <= high
    assert low == pytest.approx(inside.min() if area else 0, abs=1e-3)
    assert high == pytest.approx(inside.max() if area < 1 else 1, abs=1e-3)


def test_interval_of_complete_separation_has_a_width():
    for labels in ([0] * 14 + [1] * 40, [0, 0, 1, 1], [0, 1]):
        low, high = auroc_interval(labels, range(len(labels)))
        assert low < 0.91
        assert high == 1
        # The same images the other way round.
        assert auroc_interval(np.flip(labels), range(len(labels))) == pytest.approx((0, 1 - low))


@pytest.mark.parametrize("area", [0.8, 0.97, 0.995])
@pytest.mark.parametrize(("n", "m"), [(14, 40), (20, 20)])
def test_intervals_of_small_tests_cover(area, n, m):
    """The percentile bootstrap covers 81 % at 14 and 40 images, and DeLong's logit half of that near 1."""
    rng = np.random.default_rng(0)
    shift = np.sqrt(2) * stats.norm.ppf(area)
    labels = np.repeat([0, 1], [n, m])
    covered = 0
    for _ in range(300):
        low, high = auroc_interval(labels, rng.normal(size=n + m) + shift * labels)
        covered += low <= area <= high
    assert covered / 300 > 0.93


def test_interval_is_wider_for_more_confidence_and_narrower_for_more_images():
    scores = noisy_scores(np.random.default_rng(5), 1.0)
    low, high = auroc_interval(LABELS, scores)
    wide = auroc_interval(LABELS, scores, confidence=0.99)
    assert wide[0] < low < auroc(LABELS, scores) < high < wide[1]
    more = auroc_interval(np.tile(LABELS, 4), np.tile(scores, 4))
    assert low < more[0] < more[1] < high


def test_wilcoxon_over_categories():
    b = np.array([98.0, 97.5, 99.1, 95.0, 90.0, 96.2])
    # All six ranks on one side: 2 of the 2⁶ equally likely signs are as extreme.
    assert wilcoxon_over_categories(b + np.arange(1, 7) / 10, b) == pytest.approx(2 / 64)
    assert wilcoxon_over_categories(b[:5] + 1, b[:5]) is None
    assert wilcoxon_over_categories(b, b) is None


def test_wilcoxon_knows_ties_from_rounding_errors():
    a = np.array([99.5, 98.1, 97.3, 96.4, 95.2, 94.1, 93.3])
    b = np.array([99.4, 98.0, 97.2, 96.3, 95.1, 94.2, 92.9])
    tenths = [1, 1, 1, 1, 1, -1, 4]
    assert wilcoxon_over_categories(a, b) == pytest.approx(stats.wilcoxon(tenths).pvalue)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0, 0], [1, 2, 3], "3 good and 0 anomalous images"),
        ([0, 0, 1], [1, 2, 3], "2 good and 1 anomalous images: at least 2"),
        ([0, 1], [1, 2, 3], r"\(2,\) and scores \(3,\)"),
        ([0, 0, 1, 1], [1, np.nan, 3, np.inf], "2 of 4 scores are not finite"),
    ],
)
def test_delong_refuses(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        delong_test(labels, scores, scores)


def test_others_refuse():
    with pytest.raises(ValueError, match="0 good and 3 anomalous images: at least 1"):
        auroc_interval([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="one a category"):
        wilcoxon_over_categories([1.0] * 7, [1.0] * 6)
    with pytest.raises(ValueError, match="nan"):
        wilcoxon_over_categories([1.0] * 6 + [np.nan], [0.5] * 7)
