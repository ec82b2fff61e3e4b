"""Split conformal prediction: thresholds with bounded false alarms, from the scores of good images.

The guarantee assumes that the n calibration images and a further good image are exchangeable: all orders of the n + 1
images are equally likely, as for random images from one process. Then the further image is the k-th most anomalous of
all with probability 1 / (n + 1), for any model and any distribution of scores. Images from another day, with another
lamp or of another supplier are not exchangeable with the calibration images, and the guarantee does not hold for them.

V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, Springer 2005;
A. Angelopoulos and S. Bates, A Gentle Introduction to Conformal Prediction, arXiv:2107.07511, 2021;
S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, Testing for Outliers with Conformal p-values, Annals of
Statistics 51(1), 2023: for given calibration images, the false-alarm rate follows a beta distribution.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import checked_share


class FalseAlarms(NamedTuple):
    """Number of good parts that are flagged, over random calibration images and parts.

    Attributes:
        expected: Mean of the number.
        at_most: Upper bound of the number at the given confidence.
        band: Lowest and highest number of the central interval at that confidence, both included.
    """

    expected: float
    at_most: int
    band: tuple[int, int]


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> np.ndarray:
    """Compute conformal p-values: the share of good images, including the part itself, that score at least as high.

    For every r, a good part that is exchangeable with the calibration images has a p-value of at most r with
    probability at most r. Ties only increase the p-value.

    Args:
        scores: Floats of any shape; higher is more anomalous.
        calibration_scores: Floats [n] of good images.

    Returns:
        (1 + number of calibration scores >= score) / (n + 1), float64 of the shape of ``scores``.

    Example:
        >>> from reb_pipeline.calibration.conformal import p_values
        >>> p_values([0.5, 2.5, 9.0], calibration_scores=[1, 2, 3, 4])
        array([1. , 0.6, 0.2])
    """
    ordered = np.sort(np.asarray(calibration_scores, np.float64))
    below = np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + len(ordered) - below) / (len(ordered) + 1)


def conformal_threshold(calibration_scores: ArrayLike, rate: float) -> float:
    """Compute the score threshold that flags at most a share ``rate`` of good parts.

    A part is flagged if its score is above the threshold. This is the case exactly if its p-value is at most ``rate``.

    Args:
        calibration_scores: Floats [n] of good images.
        rate: Share of good parts that may be flagged, in (0, 1).

    Returns:
        The k-th highest calibration score, with k from :func:`threshold_rank`; infinity if k is 0.

    Raises:
        InputError: If the rate is not in (0, 1).

    Example:
        >>> from reb_pipeline.calibration.conformal import conformal_threshold
        >>> scores = range(1, 100)  # of 99 good images
        >>> conformal_threshold(scores, rate=0.05)
        95.0
        >>> conformal_threshold(scores, rate=0.005)  # needs 199 images
        inf
    """
    scores = np.asarray(calibration_scores, np.float64)
    k = threshold_rank(len(scores), rate)
    return float(np.partition(scores, -k)[-k]) if k else math.inf


def threshold_rank(n: int, rate: float) -> int:
    """Compute the rank of the threshold among the calibration scores, counted from the highest.

    It is the largest k with k / (n + 1) <= rate.

    Args:
        n: Number of calibration images.
        rate: Share of good parts that may be flagged, in (0, 1).

    Returns:
        k, from 0 (the rate cannot be guaranteed) to n.

    Raises:
        InputError: If the rate is not in (0, 1).
    """
    rate = checked_share(rate, "A false-alarm rate of")
    k = round(rate * (n + 1))  # rounding errors go both ways: 0.07 * 100 > 7, 0.29 * 100 < 29
    return k if k / (n + 1) <= rate else k - 1


def check_doubtful_rate(doubtful_rate: float | None, false_alarm_rate: float) -> None:
    """Check that the rate of doubtful parts gives a threshold that is not above that of defective ones.

    Args:
        doubtful_rate: Share of good parts that may be doubtful or flagged; None if no part is doubtful.
        false_alarm_rate: Share of good parts that may be flagged.

    Raises:
        InputError: If it is no number, below the false-alarm rate, or not below 1.
    """
    if doubtful_rate is None:
        return
    checked_share(false_alarm_rate, "A false-alarm rate of")
    if not checked_share(doubtful_rate, "A doubtful rate of") >= false_alarm_rate:
        msg = (
            f"A doubtful rate of {100 * doubtful_rate:.3g} % cannot be used with a false-alarm rate of "
            f"{100 * false_alarm_rate:.3g} %: it counts flagged parts too, so give one of at least "
            f"{100 * false_alarm_rate:.3g} % and below 100 %."
        )
        raise InputError(msg)


def rate_of(calibration_scores: ArrayLike, threshold: float) -> float:
    """Compute the false-alarm rate that a threshold keeps, the other way round of :func:`conformal_threshold`.

    A score above the threshold has a p-value of at most this rate, so at most this share of good parts is flagged.

    Args:
        calibration_scores: Floats [n] of good images.
        threshold: Highest score that is not flagged.

    Returns:
        (1 + number of calibration scores above the threshold) / (n + 1), in (0, 1].

    Example:
        >>> from reb_pipeline.calibration.conformal import rate_of
        >>> rate_of(range(1, 100), threshold=95.5)
        0.05
    """
    scores = np.asarray(calibration_scores, np.float64)
    return float((1 + (scores > threshold).sum()) / (len(scores) + 1))


def smallest_rate(n: int) -> float:
    """Compute the smallest false-alarm rate that a number of calibration images can guarantee.

    Args:
        n: Number of calibration images.
    """
    return 1 / (n + 1)


def images_needed(rate: float) -> int:
    """Compute the smallest number of calibration images that can guarantee a false-alarm rate.

    Args:
        rate: False-alarm rate, in (0, 1).

    Raises:
        InputError: If the rate is not in (0, 1).

    Example:
        >>> from reb_pipeline.calibration.conformal import images_needed
        >>> images_needed(0.01)
        99
    """
    rate = checked_share(rate, "A false-alarm rate of")
    fewest = max(0, math.floor(1 / rate) - 1)
    return fewest if threshold_rank(fewest, rate) else fewest + 1


def false_alarm_band(n: int, rate: float, n_parts: int, confidence: float = 0.95) -> FalseAlarms:
    """Compute mean and bounds of the number of flagged parts among further good parts.

    With k from :func:`threshold_rank` the number is beta-binomial(n_parts, k, n + 1 - k), exactly if no two scores are
    equal, and otherwise smaller. The threshold of few images is uncertain, so the band is wider than a binomial one.

    Args:
        n: Number of calibration images.
        rate: False-alarm rate of the threshold, in (0, 1).
        n_parts: Number of further good parts.
        confidence: Probability that the bounds hold.

    Example:
        >>> from reb_pipeline.calibration.conformal import false_alarm_band
        >>> false_alarm_band(n=99, rate=0.05, n_parts=200)
        FalseAlarms(expected=10.0, at_most=20, band=(2, 22))
    """
    k = threshold_rank(n, rate)
    if k == 0:
        return FalseAlarms(0.0, 0, (0, 0))
    up_to = np.cumsum(_beta_binomial(n_parts, k, n + 1 - k))
    tail = (1 - confidence) / 2
    low, at_most, high = (
        min(int(np.searchsorted(up_to, share)), n_parts) for share in (tail, confidence, 1 - tail)
    )
    return FalseAlarms(n_parts * k / (n + 1), at_most, (low, high))


def _beta_binomial(n: int, a: float, b: float) -> np.ndarray:
    """Compute the probabilities of 0 to n under a beta-binomial distribution, float64 [n + 1].

    By the ratio of neighbouring probabilities; SciPy's distributions take longer to import than all of an inspection.
    """
    x = np.arange(n)
    ratios = np.log((n - x) / (x + 1)) + np.log((x + a) / (n - 1 - x + b))
    first = math.lgamma(a + b) - math.lgamma(b) + math.lgamma(n + b) - math.lgamma(n + a + b)
    return np.exp(first + np.concatenate([[0.0], np.cumsum(ratios)]))
