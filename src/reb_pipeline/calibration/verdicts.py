"""Verdicts on parts: the closed vocabulary, the rule that gives one, and models that can give none.

A part is good only if its score is known to be at most a known threshold. So a score or a value of a map is above the
threshold unless it is at most the threshold: NaN is above. Without a finite threshold every part is undecided. Where a
second, lower threshold is asked for, parts between both are doubtful: a person has to look.
"""

import math
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration

Verdict = Literal["good", "doubtful", "defective", "undecided", "unreadable"]
GOOD: Verdict = "good"
DOUBTFUL: Verdict = "doubtful"  # between the two thresholds of a model that has two
DEFECTIVE: Verdict = "defective"
UNDECIDED: Verdict = (
    "undecided"  # the image can be read, but nothing is known to compare its score with
)
UNREADABLE: Verdict = "unreadable"  # the image cannot be read
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def can_flag(threshold: float) -> bool:
    """Return True if parts can be flagged, that is, if the threshold is finite."""
    return math.isfinite(threshold)


def verdict_of(
    image_score: float, threshold: float, doubtful_threshold: float | None = None
) -> Verdict:
    """Derive the verdict on a part from its score.

    Args:
        image_score: Image score; one that is not a number is never good.
        threshold: Highest image score that is not defective; not finite if none is known.
        doubtful_threshold: Highest image score that is good, at most ``threshold``; None for ``threshold``.

    Example:
        >>> from reb_pipeline.calibration.verdicts import verdict_of
        >>> [verdict_of(score, threshold=2.0) for score in (2.0, 2.1, float("nan"))]
        ['good', 'defective', 'defective']
        >>> [verdict_of(score, threshold=2.0, doubtful_threshold=1.5) for score in (1.5, 2.0, 2.1)]
        ['good', 'doubtful', 'defective']
        >>> verdict_of(0.1, threshold=float("inf"))
        'undecided'
    """
    if not can_flag(threshold):
        return UNDECIDED
    if not image_score <= threshold:
        return DEFECTIVE
    return GOOD if doubtful_threshold is None or image_score <= doubtful_threshold else DOUBTFUL


def above(values: np.ndarray, threshold: float) -> np.ndarray:
    """Compare scores or maps with a threshold; bool, True unless the value is at most the threshold.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.calibration.verdicts import above
        >>> above(np.array([1.0, 2.0, np.nan]), threshold=1.0).tolist()
        [False, True, True]
    """
    return ~(np.asarray(values) <= threshold)


def check_can_flag(calibration: "Calibration", name: str, permission: str) -> None:
    """Check that a model can tell good parts from defective ones.

    Args:
        calibration: Calibration of the model.
        name: Name of the model's category.
        permission: Option that lets the model be used all the same.

    Raises:
        InputError: If all parts would be undecided.
    """
    if not calibration.can_flag:
        msg = (
            f"The model of {name} can call no part good or defective: {calibration.statement()[:-1]}; calibrate with "
            f"more good images or for a higher calibration.false_alarm_rate and package the model again, or set "
            f"{permission} to take it as it is."
        )
        raise InputError(msg)
