"""Thresholds whose false alarms are bounded, from the scores of some good images: split conformal prediction.

The guarantee assumes that the calibration images and a further good image are exchangeable: every order of the n + 1
is as likely as any other, as for images drawn at random from one process. Then the further one is the k-th most
anomalous of all with probability 1 / (n + 1), whatever the model and the distribution of its scores. Images of another
day, another lamp or another supplier are not exchangeable with these, and nothing is promised for them.

V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, Springer 2005;
A. Angelopoulos and S. Bates, A Gentle Introduction to Conformal Prediction, arXiv:2107.07511, 2021;
S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, Testing for Outliers with Conformal p-values, Annals of
Statistics 51(1), 2023: given the calibration images, the false-alarm rate follows a beta distribution.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from reb_pipeline.core.errors import InputError


class FalseAlarms(NamedTuple):
    """How many of some further good parts are flagged, over the draw of calibration images and parts.

    Attributes:
        expected: Mean number.
        at_most: Upper bound of the number at the confidence asked for.
        band: Lowest and highest number of the central interval at that confidence, both included.
    """

    expected: float
    at_most: int
    band: tuple[int, int]


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> np.ndarray:
    """The share of good images, the part itself included, that score at least as high as the part.

    A good part that is exchangeable with the calibration images has a p-value of at most r with probability at most
    r, for every r; ties make it larger, never smaller.

    Args:
        scores: Floats of any shape; higher is more anomalous.
        calibration_scores: Floats [n] of good images.

    Returns:
        (1 + number of calibration scores >= score) / (n + 1), float64 of the shape of ``scores``.
    """
    ordered = np.sort(np.asarray(calibration_scores, np.float64))
    below = np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + len(ordered) - below) / (len(ordered) + 1)


def conformal_threshold(calibration_scores: ArrayLike, rate: float) -> float:
    """The score above which a part is flagged so that at most ``rate`` of good parts are.

    A score is above it exactly where its p-value is at most ``rate``.

    Args:
        calibration_scores: Floats [n] of good images.
        rate: Share of good parts that may be flagged, in (0, 1).

    Returns:
        The k-th highest calibration score with k as of :func:`threshold_rank`; infinity where k is 0.

    Raises:
        InputError: If the rate is not in (0, 1).
    """
    scores = np.asarray(calibration_scores, np.float64)
    k = threshold_rank(len(scores), rate)
    return float(np.partition(scores, -k)[-k]) if k else math.inf


def threshold_rank(n: int, rate: float) -> int:
    """Which of the calibration scores, from the highest, is the threshold: the largest k with k / (n + 1) <= rate.

    Args:
        n: Number of calibration images.
        rate: Share of good parts that may be flagged, in (0, 1).

    Returns:
        k, from 0 (the rate cannot be promised) to n.

    Raises:
        InputError: If the rate is not in (0, 1).
    """
    if not 0 < rate < 1:
        msg = f"A false-alarm rate of {rate} cannot be used: it must lie between 0 and 1."
        raise InputError(msg)
    k = round(rate * (n + 1))  # the product may lie on either side: 0.07 * 100 > 7, 0.29 * 100 < 29
    return k if k / (n + 1) <= rate else k - 1


def smallest_rate(n: int) -> float:
    """The smallest false-alarm rate that ``n`` calibration images can promise."""
    return 1 / (n + 1)


def images_needed(rate: float) -> int:
    """The smallest number of calibration images that can promise a false-alarm rate.

    Args:
        rate: In (0, 1).
    """
    fewest = max(0, math.floor(1 / rate) - 1)
    return fewest if threshold_rank(fewest, rate) else fewest + 1


def false_alarm_band(n: int, rate: float, n_parts: int, confidence: float = 0.95) -> FalseAlarms:
    """How many of ``n_parts`` further good parts are flagged by the threshold of ``n`` calibration images.

    With k as of :func:`threshold_rank` the number is beta-binomial(n_parts, k, n + 1 - k), exactly where no two scores
    are equal and else smaller; the threshold of few images is uncertain, so the spread is wider than a binomial's.

    Args:
        n: Number of calibration images.
        rate: The false-alarm rate that the threshold was made for, in (0, 1).
        n_parts: Number of further good parts.
        confidence: Probability with which the bounds hold.
    """
    from scipy.stats import betabinom

    k = threshold_rank(n, rate)
    if k == 0:
        return FalseAlarms(0.0, 0, (0, 0))
    flagged = betabinom(n_parts, k, n + 1 - k)
    low, high = flagged.interval(confidence)
    return FalseAlarms(n_parts * k / (n + 1), int(flagged.ppf(confidence)), (int(low), int(high)))
