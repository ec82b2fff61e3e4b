"""Thresholds of the image score that a person chose in a report or in the service, as a file."""

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from reb_pipeline.calibration.conformal import rate_of
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import is_number
from reb_pipeline.core.records import load_described

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration

THRESHOLD_FILE = "threshold.json"
FORMAT, FORMAT_VERSION = "reb-pipeline threshold", 1


@dataclass(frozen=True)
class ChosenThreshold:
    """Threshold of one model, and the lower one of doubtful parts if a second one was chosen.

    Attributes:
        model_id: Id of the model, ``digest`` of its ``model.json``: scores of another model are not comparable.
        image_threshold: Highest image score that is not defective.
        false_alarm_rate: Share of good parts that it may flag, see
            :func:`reb_pipeline.calibration.conformal.rate_of`.
        doubtful_threshold: Highest image score that is good; None keeps the doubtful rate of the model.
    """

    model_id: str
    image_threshold: float
    false_alarm_rate: float
    doubtful_threshold: float | None = None

    @classmethod
    def of(
        cls,
        model_id: str,
        calibration: "Calibration",
        image_threshold: float,
        doubtful_threshold: float | None = None,
    ) -> "ChosenThreshold":
        """Choose a threshold of a model, and perhaps that of doubtful parts.

        Raises:
            InputError: If one is not finite, or below every score of a good part, so that no rate can be promised, or
                if that of doubtful parts is above the other.

        Example:
            >>> from reb_pipeline import Inspector
            >>> from reb_pipeline.inspection.threshold import ChosenThreshold
            >>> model = Inspector.load("tests/inspection/models/former_records")
            >>> chosen = ChosenThreshold.of(model.model_id, model.calibration, 1e6)
            >>> ChosenThreshold.read(chosen.to_json(), "threshold.json") == chosen
            True
        """
        rate = _rate_of(calibration, image_threshold)
        if doubtful_threshold is None:
            return cls(model_id, float(image_threshold), rate)
        _rate_of(calibration, doubtful_threshold)
        if doubtful_threshold > image_threshold:
            msg = (
                f"The threshold of doubtful parts, {doubtful_threshold:.5g}, is above that of defective ones, "
                f"{image_threshold:.5g}: choose a lower one."
            )
            raise InputError(msg)
        return cls(model_id, float(image_threshold), rate, float(doubtful_threshold))

    @classmethod
    def read(cls, data: bytes, source: str) -> "ChosenThreshold":
        """Read a file of :meth:`to_json`, or of a report.

        Args:
            data: Content of the file.
            source: Its name, for the error message.

        Raises:
            InputError: If it is no such file.
        """
        again = "save the threshold again in the report of an inspection"
        try:
            content = load_described(data, FORMAT, FORMAT_VERSION, "a threshold")
        except ValueError as error:
            raise InputError(f"'{source}' {error}: {again}.") from error
        try:
            doubtful = content.get("doubtful_threshold")
            return cls(
                str(content["model_id"]),
                float(content["image_threshold"]),
                float(content["false_alarm_rate"]),
                None if doubtful is None else float(doubtful),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            msg = f"'{source}' lacks a value of a threshold ({error}): {again}."
            raise InputError(msg) from error

    def to_json(self) -> bytes:
        """Write the threshold as a JSON file."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        if self.doubtful_threshold is None:
            del content["doubtful_threshold"]  # which former versions do not know
        return f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode()

    def applied(self, model_id: str, calibration: "Calibration") -> "Calibration":
        """Take the calibration of the model for the rates of these thresholds.

        Raises:
            InputError: If the threshold is that of another model, or cannot be used with it.
        """
        if self.model_id != model_id:
            msg = (
                f"The threshold was chosen for the model {self.model_id[:12]}, and this one is {model_id[:12]}, whose "
                f"scores are others: choose a threshold in a report of this model."
            )
            raise InputError(msg)
        checked = ChosenThreshold.of(
            model_id, calibration, self.image_threshold, self.doubtful_threshold
        )
        rate, doubtful_rate = checked.false_alarm_rate, calibration.doubtful_rate
        if self.doubtful_threshold is not None:
            doubtful_rate = rate_of(calibration.image_scores, self.doubtful_threshold)
        elif doubtful_rate is not None:
            doubtful_rate = max(doubtful_rate, rate)
        return replace(calibration, false_alarm_rate=rate, doubtful_rate=doubtful_rate)

    def doubtful(self, calibration: "Calibration") -> float | None:
        """Get the threshold of doubtful parts: the chosen one, or that of the calibration where this is lower.

        Args:
            calibration: Result of :meth:`applied`.
        """
        if self.doubtful_threshold is not None or calibration.doubtful_threshold is None:
            return self.doubtful_threshold
        return min(calibration.doubtful_threshold, self.image_threshold)


def _rate_of(calibration: "Calibration", threshold: float) -> float:
    """Compute the rate that a threshold keeps.

    Raises:
        InputError: If the threshold is not finite, or below every score of a good part.
    """
    if not is_number(threshold):
        raise InputError(
            f"A threshold of {threshold} flags nothing or everything: give a finite one."
        )
    rate = rate_of(calibration.image_scores, threshold)
    if rate >= 1:
        msg = (
            f"The threshold {threshold:.5g} is below the score of every good image of the calibration, so that all "
            f"good parts may be flagged: choose a higher one."
        )
        raise InputError(msg)
    return rate
