import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from reb_pipeline.metrics.significance import (
    auroc,
    bootstrap_interval,
    delong_interval,
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
    low, high = delong_interval(labels, a, confidence=0.9)
    half = 1.6448536 * np.sqrt(covariance[0, 0])
    assert low == pytest.approx(max(areas[0] - half, 0), abs=1e-7)
    assert high == pytest.approx(min(areas[0] + half, 1), abs=1e-7)


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
    assert delong_interval([0, 0, 1, 1], [1, 2, 3, 4]) == (1, 1)


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


def test_bootstrap_agrees_with_a_plain_loop():
    scores = np.round(noisy_scores(np.random.default_rng(3), 1.0), 1)
    rng = np.random.default_rng(4)
    good, anomalous = scores[LABELS == 0], scores[LABELS == 1]
    areas = []
    for _ in range(2000):
        x, y = rng.choice(anomalous, len(anomalous)), rng.choice(good, len(good))
        areas.append((x[:, None] > y).mean() + (x[:, None] == y).mean() / 2)
    # Two bootstraps of 2000 differ by their own chance: about 0.005 at these quantiles.
    expected = np.quantile(areas, [0.05, 0.95])
    assert bootstrap_interval(LABELS, scores, confidence=0.9) == pytest.approx(expected, abs=0.012)


def test_bootstrap_keeps_the_classes_apart_and_the_order_of_images_does_not_matter():
    labels, scores = np.array([1, 0, 0, 1, 0]), np.array([7.0, 1.0, 2.0, 8.0, 3.0])
    seen = []

    def lowest_anomalous(labels, resamples):
        seen.extend([labels, resamples])
        return resamples[:, labels == 1].min(axis=1)

    interval = bootstrap_interval(labels, scores, lowest_anomalous, n_resamples=50)
    assert interval == (7, 8)
    resampled_labels, resamples = seen
    assert resampled_labels.tolist() == [0, 0, 0, 1, 1]
    assert resamples.shape == (50, 5)
    assert set(resamples[:, :3].ravel()) == {1, 2, 3}
    assert set(resamples[:, 3:].ravel()) == {7, 8}


def test_bootstrap_is_seeded_and_wider_for_more_confidence():
    scores = noisy_scores(np.random.default_rng(5), 1.0)
    low, high = bootstrap_interval(LABELS, scores, n_resamples=300, seed=1)
    assert (low, high) == bootstrap_interval(LABELS, scores, n_resamples=300, seed=1)
    assert (low, high) != bootstrap_interval(LABELS, scores, n_resamples=300, seed=2)
    wide = bootstrap_interval(LABELS, scores, n_resamples=300, seed=1, confidence=0.99)
    assert wide[0] < low < auroc(LABELS, scores) < high < wide[1]


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
        bootstrap_interval([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="one a category"):
        wilcoxon_over_categories([1.0] * 7, [1.0] * 6)
    with pytest.raises(ValueError, match="nan"):
        wilcoxon_over_categories([1.0] * 6 + [np.nan], [0.5] * 7)
