"""Stored calibration: scores of good images and the false-alarm rate of the thresholds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from reb_pipeline.calibration.conformal import (
    conformal_threshold,
    false_alarm_band,
    images_needed,
    p_values,
    smallest_rate,
    threshold_rank,
)
from reb_pipeline.calibration.verdicts import above, can_flag
from reb_pipeline.core.errors import InputError

CALIBRATION_SPLIT = "calibration split"
TRAINING_IMAGES = "training images"
CONFIDENCE = 0.95  # confidence of the bound on false alarms in a statement
_WHICH = {
    CALIBRATION_SPLIT: "that the bank has not seen",
    TRAINING_IMAGES: "of the bank, each compared with the others only",
}


@dataclass(frozen=True)
class Calibration:
    """Scores of good images that the memory bank has not seen, and the false-alarm rate of the thresholds.

    A part is flagged if its image score is above ``image_threshold``, that is, if its p-value is at most
    ``false_alarm_rate``. A pixel is marked if the anomaly map is above ``pixel_threshold``: at most a share
    ``false_alarm_rate`` of good images has any marked pixel. See :mod:`reb_pipeline.calibration.conformal` for the
    assumptions.

    Attributes:
        image_scores: float32 [images], in the order of ``image_ids``.
        peak_scores: Highest value of each image's anomaly map, float32 [images].
        image_ids: Ids of the images; for images of a folder their paths relative to it.
        false_alarm_rate: Share of good parts that may be flagged, in (0, 1).
        source: Origin of the images: :data:`CALIBRATION_SPLIT`, :data:`TRAINING_IMAGES` or a folder.
        alpha: Alpha of the scores, with ``auto`` resolved; 0 for scorers without alpha.
        coreset_fingerprint: Hash of the features of the coreset that the images were scored with.
        scoring: The section ``scoring`` of the parameters, JSON values.
        mean_features: Mean patch feature of each image in the space of the bank, float32 [images, channels].

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
        >>> scores = np.arange(99, dtype=np.float32)
        >>> calibration = Calibration(
        ...     image_scores=scores, peak_scores=scores, image_ids=[f"good/{i}" for i in range(99)],
        ...     false_alarm_rate=0.05, source=CALIBRATION_SPLIT, alpha=1.0, coreset_fingerprint="…",
        ...     scoring={}, mean_features=np.zeros((99, 8), np.float32),
        ... )
        >>> calibration.image_threshold, calibration.p_values([98.5])
        (94.0, array([0.01]))
    """

    FORMAT: ClassVar[int] = 2
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "coreset": "coreset_fingerprint",
        "features_mean": "mean_features",
    }

    image_scores: np.ndarray
    peak_scores: np.ndarray
    image_ids: list[str]
    false_alarm_rate: float
    source: str
    alpha: float
    coreset_fingerprint: str
    scoring: dict[str, Any]
    mean_features: np.ndarray

    def __post_init__(self) -> None:
        for name, value in (("false_alarm_rate", self.false_alarm_rate), ("alpha", self.alpha)):
            if not isinstance(value, Real) or not math.isfinite(value):
                msg = f"The calibration's {name} = {value!r} is no finite number: run the pipeline calibration again."
                raise InputError(msg)
        threshold_rank(self.n_images, self.false_alarm_rate)  # checks the range of the rate

    def check(self, coreset_fingerprint: str, scoring: dict[str, Any], alpha: float) -> None:
        """Check that the scores were made with a given coreset and given settings.

        Args:
            coreset_fingerprint: Hash of the features of the coreset.
            scoring: The section ``scoring`` of the parameters, JSON values. A setting that the calibration does not
                know is newer than its record and was not used.
            alpha: Alpha as a number, also for ``auto``.

        Raises:
            InputError: If coreset or settings differ.
        """
        if self.coreset_fingerprint != coreset_fingerprint:
            msg = "The calibration is that of another coreset than is there now: run the pipeline calibration again."
            raise InputError(msg)
        for name, value in scoring.items():
            used = self.scoring.get(name, value)
            if used != value:
                msg = (
                    f"The calibration was made with scoring.{name} = {used!r}, not {value!r}: run the pipeline "
                    f"calibration again, or set scoring.{name} back."
                )
                raise InputError(msg)
        if self.alpha != alpha:
            msg = (
                f"The calibration was made with alpha = {self.alpha}, and the detector has {alpha}: run the pipeline "
                f"calibration again."
            )
            raise InputError(msg)

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    @property
    def image_threshold(self) -> float:
        """Highest image score that is not flagged; infinity if the rate cannot be guaranteed."""
        return conformal_threshold(self.image_scores, self.false_alarm_rate)

    @property
    def pixel_threshold(self) -> float:
        """Highest value of an anomaly map that is not marked; infinity if the rate cannot be guaranteed."""
        return conformal_threshold(self.peak_scores, self.false_alarm_rate)

    @property
    def can_flag(self) -> bool:
        """True if there is a threshold; every part is undecided otherwise."""
        return can_flag(self.image_threshold)

    @property
    def is_promised(self) -> bool:
        """True if there are enough images to guarantee the rate; every part is undecided otherwise."""
        return threshold_rank(self.n_images, self.false_alarm_rate) > 0

    def p_values(self, image_scores: ArrayLike) -> np.ndarray:
        """Compute the p-values of further images, float64, see :func:`reb_pipeline.calibration.conformal.p_values`."""
        return p_values(image_scores, self.image_scores)

    def statement(self, n_parts: int = 200) -> str:
        """Describe the guarantee of the calibration in words, with counts.

        Args:
            n_parts: Number of further good parts in the statement.
        """
        n, rate = self.n_images, self.false_alarm_rate
        which = _WHICH.get(self.source, f"in {self.source}")
        if not self.is_promised:
            smallest = 100 * smallest_rate(n)
            return (
                f"A false-alarm rate of {100 * rate:.3g} % cannot be promised with {n} good images {which}, only one "
                f"of {smallest:.3g} % or more: at least {images_needed(rate)} images are needed; so every part is "
                f"undecided."
            )
        n_above = int(above(self.image_scores, self.image_threshold).sum())
        alarms = false_alarm_band(n, rate, n_parts, CONFIDENCE)
        return (
            f"Of {n} good images {which}, {n_above or 'none'} {'is' if n_above < 2 else 'are'} above the threshold; of "
            f"{n_parts} further good parts {alarms.expected:.1f} are expected to be flagged, at most "
            f"{alarms.at_most} ({100 * CONFIDENCE:.0f} %)."
        )
