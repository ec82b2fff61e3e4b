"""The scores of good images, kept with the false-alarm rate they are used for."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from reb_pipeline.core.errors import InputError

CALIBRATION_SPLIT = "calibration split"
TRAINING_IMAGES = "training images"
CONFIDENCE = 0.95  # of the number of false alarms that a statement names
_WHICH = {
    CALIBRATION_SPLIT: "that the bank has not seen",
    TRAINING_IMAGES: "of the bank, each compared with the others only",
}


@dataclass(frozen=True)
class Calibration:
    """Scores of good images that the bank has not seen, and the false-alarm rate they are used for.

    A part is flagged where its image score is above ``image_threshold``, which is where its p-value is at most
    ``false_alarm_rate``. A pixel is marked where the anomaly map is above ``pixel_threshold``: at most a share
    ``false_alarm_rate`` of good images has any marked pixel. What is assumed, see
    :mod:`reb_pipeline.calibration.conformal`.

    Attributes:
        image_scores: float32 [images], in the order of ``image_ids``.
        peak_scores: Highest value of each image's anomaly map, float32 [images].
        image_ids: Ids of the images; of a folder's images their paths below it.
        false_alarm_rate: Share of good parts that may be flagged, in (0, 1).
        source: Where the images come from: :data:`CALIBRATION_SPLIT`, :data:`TRAINING_IMAGES` or a folder.
        alpha: As used in scoring, ``auto`` resolved; 0 for scorers that know none.
        coreset_fingerprint: Hash of the coreset's features that the images were compared with.
        scoring: The section ``scoring`` of the parameters as given, JSON values.
        mean_features: Mean patch feature of each image in the space of the bank, float32 [images, channels].
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

    def check(self, coreset_fingerprint: str, scoring: dict[str, Any]) -> None:
        """Check that the scores are those of a coreset and of settings of the scores.

        Args:
            coreset_fingerprint: Of the coreset's features.
            scoring: The section ``scoring`` of the parameters, JSON values.

        Raises:
            InputError: If they are not.
        """
        if self.coreset_fingerprint != coreset_fingerprint:
            msg = "The calibration is that of another coreset than is there now: run the pipeline calibration again."
            raise InputError(msg)
        for name, value in scoring.items():
            used = self.scoring.get(name)
            if used != value:
                msg = (
                    f"The calibration was made with scoring.{name} = {used!r}, not {value!r}: run the pipeline "
                    f"calibration again, or set scoring.{name} back."
                )
                raise InputError(msg)

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    @property
    def image_threshold(self) -> float:
        """Highest image score that is not flagged; infinity where the rate cannot be promised."""
        return conformal_threshold(self.image_scores, self.false_alarm_rate)

    @property
    def pixel_threshold(self) -> float:
        """Highest value of an anomaly map that is not marked; infinity where the rate cannot be promised."""
        return conformal_threshold(self.peak_scores, self.false_alarm_rate)

    @property
    def is_promised(self) -> bool:
        """Whether there are enough images for the rate; nothing is flagged where there are not."""
        return threshold_rank(self.n_images, self.false_alarm_rate) > 0

    def p_values(self, image_scores: ArrayLike) -> np.ndarray:
        """The p-values of further images, float64, see :func:`reb_pipeline.calibration.conformal.p_values`."""
        return p_values(image_scores, self.image_scores)

    def statement(self, n_parts: int = 200) -> str:
        """What the calibration promises, in counts.

        Args:
            n_parts: Number of further good parts to speak of.
        """
        n, rate = self.n_images, self.false_alarm_rate
        which = _WHICH.get(self.source, f"in {self.source}")
        if not self.is_promised:
            smallest = 100 * smallest_rate(n)
            return (
                f"A false-alarm rate of {100 * rate:.3g} % cannot be promised with {n} good images {which}, only one "
                f"of {smallest:.3g} % or more: at least {images_needed(rate)} images are needed; so nothing is flagged."
            )
        above = int((self.image_scores > self.image_threshold).sum())
        alarms = false_alarm_band(n, rate, n_parts, CONFIDENCE)
        return (
            f"Of {n} good images {which}, {above or 'none'} {'is' if above < 2 else 'are'} above the threshold; of "
            f"{n_parts} further good parts {alarms.expected:.1f} are expected to be flagged, at most "
            f"{alarms.at_most} ({100 * CONFIDENCE:.0f} %)."
        )
