"""Significance of differences of AUROC: paired tests and confidence intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

_FEWEST_PAIRS = 6  # with 5 categories, even wins in all of them give p = 2 / 2⁵ = 6.25 %
# Coarser than rounding errors of AUROCs or percentages, finer than any real difference.
_DECIMALS = 12


@dataclass(frozen=True)
class Comparison:
    """AUROC of method a minus AUROC of method b on the same images.

    Attributes:
        difference: AUROC of a - AUROC of b, in [-1, 1].
        standard_error: Standard error of the difference.
        z: Difference divided by its standard error.
        p_value: Two-sided: probability of at least this difference if both AUROCs are equal.
    """

    difference: float
    standard_error: float
    z: float
    p_value: float


def auroc(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Compute the AUROC of many score vectors, from the ranks of the anomalous images; ties count half.

    Args:
        labels: [N] int, 0 good, 1 anomalous, both present.
        scores: [..., N] float, higher = more anomalous.

    Returns:
        [...] float64 in [0, 1].
    """
    anomalous = np.asarray(labels).astype(bool)
    m, n = np.count_nonzero(anomalous), np.count_nonzero(~anomalous)
    ranks = stats.rankdata(scores, axis=-1)[..., anomalous]
    return (ranks.sum(axis=-1) - m * (m + 1) / 2) / (m * n)


def delong_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> Comparison:
    """Test the difference of two AUROCs on the same images.

    The test is that of DeLong et al., Biometrics 1988, computed with the mid-ranks of Sun and Xu, IEEE Signal
    Processing Letters 2014. It covers only the random choice of test images, not that of training images or seeds.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores_a: [N] float, higher = more anomalous.
        scores_b: [N] float, scores of the other method.

    Returns:
        The comparison; for two methods with the same ranking the difference is 0 and p = 1.

    Raises:
        ValueError: If a class has fewer than two images, the lengths differ or a score is not finite.

    Example:
        >>> from reb_pipeline.metrics.significance import delong_test
        >>> labels = [0, 0, 0, 0, 1, 1, 1, 1]
        >>> good_method = [0.1, 0.2, 0.3, 0.5, 0.4, 0.7, 0.8, 0.9]
        >>> poor_method = [0.5, 0.1, 0.7, 0.4, 0.3, 0.6, 0.2, 0.8]
        >>> result = delong_test(labels, good_method, poor_method)
        >>> result.difference, round(result.p_value, 2)
        (0.375, 0.1)
    """
    anomalous_a, good_a = _placements(labels, scores_a)
    anomalous_b, good_b = _placements(labels, scores_b)
    difference, error = _mean_and_error(anomalous_a - anomalous_b, good_a - good_b)
    z = difference / error if error > 0 else _without_variance(difference)
    return Comparison(difference, error, z, float(2 * stats.norm.sf(abs(z))))


def delong_interval(
    labels: ArrayLike, scores: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Compute the confidence interval of an AUROC from DeLong's standard error, clipped to [0, 1].

    If the scores separate the classes completely, the interval has width 0: these test images have no variance.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.
        confidence: Confidence level, in (0, 1).

    Returns:
        (low, high) in [0, 1].

    Raises:
        ValueError: See :func:`delong_test`.
    """
    area, error = _mean_and_error(*_placements(labels, scores))
    half = float(stats.norm.ppf((1 + confidence) / 2)) * error
    return max(area - half, 0.0), min(area + half, 1.0)


def bootstrap_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: Callable[[np.ndarray, np.ndarray], np.ndarray] = auroc,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute a percentile bootstrap interval; good and anomalous images are resampled separately.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.
        metric: Function of labels [N] and scores [R, N] that returns one value per row, [R].
        n_resamples: R; needs memory for a few float64 [R, N].
        confidence: Confidence level, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        (low, high) of the metric.

    Raises:
        ValueError: If a class is missing, the lengths differ or a score is not finite.
    """
    good, anomalous = _by_class(labels, scores, fewest=1)
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(part, (n_resamples, len(part))) for part in (good, anomalous)]
    values = metric(np.repeat([0, 1], [len(good), len(anomalous)]), np.hstack(drawn))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def wilcoxon_over_categories(a: ArrayLike, b: ArrayLike) -> float | None:
    """Compare two methods over categories by the signed-rank test (Demšar, JMLR 2006, section 3.1.3).

    Args:
        a: [C] float, a metric of each category.
        b: [C] float, the same metric of the other method.

    Returns:
        The two-sided p-value. None below 6 categories, which cannot reach 5 %, or if all categories are equal.

    Raises:
        ValueError: If the lengths differ or a value is NaN.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(
            f"The methods have {a.shape} and {b.shape} values: give one a category to each."
        )
    # 99.5 - 99.4 and 98.1 - 98.0 differ only by rounding errors; they must be ties.
    differences = np.round(a - b, _DECIMALS)
    if len(differences) < _FEWEST_PAIRS or not differences.any():
        return None
    return float(stats.wilcoxon(differences, nan_policy="raise").pvalue)


def _placements(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Compute the placement of each image: the share of images of the other class that it is ranked correctly against.

    Returns:
        Placements of the anomalous images [m] and of the good images [n].
    """
    good, anomalous = _by_class(labels, scores, fewest=2)
    ranks = stats.rankdata(np.concatenate([anomalous, good]))
    m, n = len(anomalous), len(good)
    # Rank among all minus rank within the class = number of images of the other class below.
    of_anomalous = (ranks[:m] - stats.rankdata(anomalous)) / n
    of_good = 1 - (ranks[m:] - stats.rankdata(good)) / m
    return of_anomalous, of_good


def _mean_and_error(of_anomalous: np.ndarray, of_good: np.ndarray) -> tuple[float, float]:
    """Compute the mean of placements, or of their differences, and its standard error."""
    variance = of_anomalous.var(ddof=1) / len(of_anomalous) + of_good.var(ddof=1) / len(of_good)
    return float(of_anomalous.mean()), float(np.sqrt(variance))


def _without_variance(difference: float) -> float:
    """Compute the limit of difference / error as the error goes to 0."""
    return float(np.sign(difference) * np.inf) if difference else 0.0


def _by_class(labels: ArrayLike, scores: ArrayLike, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Split scores into those of the good and those of the anomalous images."""
    anomalous, scores = np.asarray(labels).astype(bool), np.asarray(scores, dtype=np.float64)
    if anomalous.shape != scores.shape:
        raise ValueError(
            f"Labels have shape {anomalous.shape} and scores {scores.shape}: "
            "give one label and one score an image."
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} scores are not finite: "
            "check the features and the memory bank they came from."
        )
    good, bad = scores[~anomalous], scores[anomalous]
    if min(len(good), len(bad)) < fewest:
        raise ValueError(
            f"There are {len(good)} good and {len(bad)} anomalous images: "
            f"at least {fewest} of each are needed."
        )
    return good, bad
