"""Thresholds of lowest expected cost: what false alarms, escapes and second looks cost, and how certain that is.

A part is defective with a stated probability p. With a lower threshold a and a higher one b the expected cost of a part
is

    (1 - p) (F P(b < s | good) + L P(a < s <= b | good)) + p (E P(s <= a | defective) + L P(a < s <= b | defective)),

where s is its score and F, E and L are the prices of a false alarm, an escape and a second look, which is taken to
find out what the part is. This is the cost of a decision with a reject option (C. K. Chow, On Optimum Recognition
Error and Reject Tradeoff, IEEE Transactions on Information Theory 16(1), 1970).

Shares of good parts are those that conformal prediction bounds, (1 + number of calibration scores above) / (n + 1), so
that a threshold at the highest score still costs something. Shares of defects are those of their scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from reb_pipeline.calibration.conformal import rate_of
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import checked_positive, checked_share

CONFIDENCE = 0.95
_DRAWS = 5_000
_JEFFREYS = 0.5  # prior count of each share


@dataclass(frozen=True)
class Prices:
    """Prices, in any one unit, and the stated share of defective parts.

    Attributes:
        false_alarm: Price of a good part that is called defective.
        escape: Price of a defective part that is called good.
        defect_rate: Share of all parts that are defective, in (0, 1).
        second_look: Price of looking at a doubtful part; None if no part may be doubtful.

    Raises:
        InputError: If a price is no positive finite number, or the rate is not in (0, 1).
    """

    false_alarm: float
    escape: float
    defect_rate: float
    second_look: float | None = None

    def __post_init__(self) -> None:
        prices = {"a false alarm": self.false_alarm, "an escape": self.escape}
        if self.second_look is not None:
            prices["a second look"] = self.second_look
        for name, price in prices.items():
            checked_positive(price, f"The price of {name}")
        checked_share(self.defect_rate, "A defect rate of")


class Thresholds(NamedTuple):
    """Thresholds of the image score.

    Attributes:
        image_threshold: Highest score that is not defective.
        doubtful_threshold: Highest score that is good; None if no part is doubtful.
    """

    image_threshold: float
    doubtful_threshold: float | None = None


class Cost(NamedTuple):
    """Expected cost of a part at given thresholds.

    Attributes:
        false_alarms: Share of good parts that are called defective.
        second_looks: Share of all parts that are doubtful.
        escapes: Share of defective parts that are called good.
        expected: Expected cost of a part, good or defective.
        low: Lower end of the interval that holds the cost at the confidence of 95 %.
        high: Its upper end.
    """

    false_alarms: float
    second_looks: float
    escapes: float
    expected: float
    low: float
    high: float


class CostCurve(NamedTuple):
    """Lowest expected cost of each higher threshold.

    Attributes:
        thresholds: Candidates of the higher threshold, the scores of good images, ascending float64 [k].
        rates: Their false-alarm rates, float64 [k].
        lower: Best lower threshold of each, at most the higher one, float64 [k].
        costs: Expected cost of a part with both, float64 [k].
    """

    thresholds: np.ndarray
    rates: np.ndarray
    lower: np.ndarray
    costs: np.ndarray

    @property
    def cheapest(self) -> Thresholds:
        """Thresholds of lowest expected cost."""
        best = int(np.argmin(self.costs))
        threshold, lower = float(self.thresholds[best]), float(self.lower[best])
        return Thresholds(threshold, None if lower == threshold else lower)


def cost_curve(good: ArrayLike, defective: ArrayLike, prices: Prices) -> CostCurve:
    """Compute the lowest expected cost of each calibration score as the higher threshold.

    The cost is a sum of one term for each threshold, so that the best lower one of each higher one is a running
    minimum. Of equal costs the narrowest band of doubtful parts is taken.

    Args:
        good: Floats [n], scores of good images that calibrate.
        defective: Floats [m], scores of defects.
        prices: The prices.

    Raises:
        InputError: If there is no score of a good image, or none of a defect.

    Example:
        >>> from reb_pipeline.calibration.costs import Prices, cost_curve
        >>> good, defective = range(100), [60, 80, 120, 130]
        >>> cost_curve(good, defective, Prices(false_alarm=1, escape=50, defect_rate=0.1)).cheapest
        Thresholds(image_threshold=59.0, doubtful_threshold=None)
        >>> cost_curve(good, defective, Prices(1, 50, 0.1, second_look=0.1)).cheapest
        Thresholds(image_threshold=99.0, doubtful_threshold=59.0)
    """
    of_good, of_defects = _checked(good, defective)
    thresholds = np.unique(of_good)
    n_above = len(of_good) - np.searchsorted(np.sort(of_good), thresholds, side="right")
    rates = (1 + n_above) / (len(of_good) + 1)
    missed = np.searchsorted(np.sort(of_defects), thresholds, side="right") / len(of_defects)
    p, look = prices.defect_rate, prices.second_look
    if look is None:
        costs = (1 - p) * prices.false_alarm * rates + p * prices.escape * missed
        return CostCurve(thresholds, rates, thresholds, costs)
    of_lower = (1 - p) * look * rates + p * (prices.escape - look) * missed
    of_higher = (1 - p) * (prices.false_alarm - look) * rates + p * look * missed
    lowest = np.minimum.accumulate(of_lower)
    # The last place where the running minimum was reached.
    places = np.maximum.accumulate(np.where(of_lower == lowest, np.arange(len(lowest)), 0))
    return CostCurve(thresholds, rates, thresholds[places], lowest + of_higher)


def expected_cost(
    good: ArrayLike,
    defective: ArrayLike,
    prices: Prices,
    thresholds: Thresholds,
    parts: Sequence[object] | None = None,
) -> Cost:
    """Compute the expected cost of a part at given thresholds, with the uncertainty that few scores leave.

    The true shares of good parts beyond two of n exchangeable scores follow a Dirichlet distribution with the ranks as
    its parameters, exactly if no two scores are equal (S. Wilks, Mathematical Statistics, Wiley 1962, section 8.7).
    Those of defects get the posterior of Jeffreys' prior. The interval is taken from draws of both with a fixed seed.

    Args:
        good: Floats [n], scores of good images that calibrate.
        defective: Floats [m], scores of defects.
        prices: The prices.
        thresholds: The thresholds.
        parts: Part that each defect is on, [m]; defects on one part count as one, because they are not independent.
            None for a part of its own each.

    Raises:
        InputError: If there is no score of a good image, or none of a defect.
    """
    of_good, of_defects = _checked(good, defective)
    higher, lower = thresholds.image_threshold, thresholds.doubtful_threshold
    lower = higher if lower is None else lower
    total = len(of_good) + 1
    alarms, beyond = (round(rate_of(of_good, one) * total) for one in (higher, lower))
    ranks = np.array([alarms, beyond - alarms, total - beyond], float)  # defective, doubtful, good
    missed, caught = (of_defects <= lower).sum(), (of_defects > higher).sum()
    counts = np.array([caught, len(of_defects) - missed - caught, missed], float)
    shares, caught_shares = ranks / total, counts / len(of_defects)
    if parts is not None:
        counts *= len(set(parts)) / len(of_defects)
    rng = np.random.default_rng(0)
    kinds = np.array([0, 1, 2]) if lower < higher else np.array([0, 2])
    drawn = np.zeros((2, _DRAWS, 3))
    drawn[0][:, kinds] = _dirichlet(rng, ranks[kinds])
    drawn[1][:, kinds] = _dirichlet(rng, counts[kinds] + _JEFFREYS)
    p, look = prices.defect_rate, prices.second_look or 0.0
    of_good_part = (1 - p) * np.array([prices.false_alarm, look, 0.0])
    of_defect = p * np.array([0.0, look, prices.escape])
    costs = drawn[0] @ of_good_part + drawn[1] @ of_defect
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(costs, [tail, 1 - tail])
    # Where none of the defects escape, Jeffreys' interval leaves out the share 0 that was counted.
    expected = float(shares @ of_good_part + caught_shares @ of_defect)
    return Cost(
        false_alarms=float(shares[0]),
        second_looks=float((1 - p) * shares[1] + p * caught_shares[1]),
        escapes=float(caught_shares[2]),
        expected=expected,
        low=min(float(low), expected),
        high=max(float(high), expected),
    )


def _dirichlet(rng: np.random.Generator, parameters: np.ndarray) -> np.ndarray:
    """Draw shares, float64 [draws, kinds]; a parameter of 0 is a share of 0."""
    drawn = rng.standard_gamma(parameters, (_DRAWS, len(parameters)))
    shares: np.ndarray = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def _checked(good: ArrayLike, defective: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Convert scores to float64, ascending.

    Raises:
        InputError: If there is no score of a good image, or none of a defect.
    """
    of_good, of_defects = np.asarray(good, np.float64), np.asarray(defective, np.float64)
    if not of_good.size:
        raise InputError("The cheapest thresholds need scores of good images: calibrate the model.")
    if not of_defects.size:
        msg = (
            "The cheapest thresholds need scores of defects: train with folders of defective photos, or with "
            "detection_probability.enabled=true, which draws defects."
        )
        raise InputError(msg)
    return of_good, of_defects
