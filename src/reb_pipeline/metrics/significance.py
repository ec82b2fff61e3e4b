"""Significance of differences of AUROC: paired tests and confidence intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

_FEWEST_PAIRS = 6  # with 5 categories, even wins in all of them give p = 2 / 2⁵ = 6.25 %
# Coarser than rounding errors of AUROCs or percentages, finer than any real difference.
_DECIMALS = 12
_NEAR = 1e-12


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


def auroc_interval(
    labels: ArrayLike, scores: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Compute a score interval of an AUROC, which has a width also where the scores separate the classes completely.

    All AUROCs A whose distance to the measured one is at most z standard errors, with the error at A itself: method 5
    of Newcombe, Statistics in Medicine 25(4), 2006, with the variance of Hanley and McNeil (Radiology 1982) for equally
    many images of both classes. Where DeLong's variance (Biometrics 1988) of the measured AUROC is larger than that,
    for example because few good images score as high as defects, all variances are scaled up to it. The percentile and
    the BCa bootstrap and DeLong's interval, with or without logit, cover too rarely near 1:
    ``benchmarks/interval_coverage.py``.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.
        confidence: Confidence level, in (0, 1).

    Returns:
        (low, high) in [0, 1].

    Raises:
        ValueError: If a class is missing, the lengths differ or a score is not finite.

    Example:
        >>> from reb_pipeline.metrics.significance import auroc_interval
        >>> low, high = auroc_interval([0] * 14 + [1] * 40, range(54))  # complete separation
        >>> round(low, 3), high
        (0.903, 1.0)
    """
    good, anomalous = _by_class(labels, scores, fewest=1)
    m, n = len(anomalous), len(good)
    area = float(auroc(np.repeat([0, 1], [n, m]), np.concatenate([good, anomalous])))
    scale = 1.0
    if min(m, n) > 1 and 0 < area < 1:
        _, error = _mean_and_error(*_placements(labels, scores))
        scale = max(1.0, error**2 / _hanley_mcneil(area, m, n))
    z2 = float(stats.norm.ppf((1 + confidence) / 2)) ** 2

    def outside(tried: float) -> float:
        """Compute a number that is negative if the tried AUROC is in the interval."""
        return (tried - area) ** 2 - z2 * scale * _hanley_mcneil(tried, m, n)

    within = min(max(area, _NEAR), 1 - _NEAR)  # 0 and 1 themselves are no ends of the interval
    low = 0.0 if area == 0 else float(optimize.brentq(outside, 0, within))
    high = 1.0 if area == 1 else float(optimize.brentq(outside, within, 1))
    return low, high


def _hanley_mcneil(area: float, m: int, n: int) -> float:
    """Compute the variance of an AUROC of m and n images, with (m + n) / 2 images of either class in its two terms."""
    pairs = (m + n) / 2 - 1
    spread = 1 + pairs * (1 - area) / (2 - area) + pairs * area / (1 + area)
    return area * (1 - area) * spread / (m * n)


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
