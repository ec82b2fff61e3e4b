"""Stored calibration: scores of good images and the false-alarm rate of the thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from reb_pipeline.calibration.conformal import (
    check_doubtful_rate,
    conformal_threshold,
    false_alarm_band,
    images_needed,
    p_values,
    smallest_rate,
    threshold_rank,
)
from reb_pipeline.calibration.parts import Views, views_of_parts
from reb_pipeline.calibration.verdicts import above, can_flag
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import is_number

CALIBRATION_SPLIT = "calibration split"
LEFT_OUT = "training images, each left out"
TRAINING_IMAGES = "training images"  # of records before format 3
CONFIDENCE = 0.95  # confidence of the bound on false alarms in a statement
ODD_DISTANCE = 3  # of the threshold from the median, as a multiple of that of the next lower score
# Ways to take a threshold, and what is known of their rate.
SPLIT, LEAVE_ONE_OUT, OWN_ROWS = "split", "leave_one_out", "own_rows"
PROVEN, SIMULATED, NO_GUARANTEE = "proven", "simulated", "none"
_METHODS = {LEFT_OUT: LEAVE_ONE_OUT, TRAINING_IMAGES: OWN_ROWS}
_WHICH = {
    CALIBRATION_SPLIT: "that the bank has not seen",
    LEFT_OUT: "of the bank, each scored by a detector fitted without it",
    TRAINING_IMAGES: "of the bank, each compared with the others only",
}
_LIMITS = {
    SPLIT: "",
    LEAVE_ONE_OUT: " No proof covers this rate, simulations do.",
    OWN_ROWS: " Fewer than that are flagged, and fewer defects: run the pipeline calibration again.",
}
_FINE_TUNED = " Fine-tuning has seen these images and no new part, so more may be flagged: the rate is not promised."
_CHOSEN = " Settings were chosen with the same images ({}), so more good parts than asked for may be flagged."
# Settings that were added to scoring, with the value that scores of older records were made with.
_BEFORE = {
    "normalization": "none",
    "zones": None,
    "anomaly_map": "score",
    "detector": "memory_bank",
    "global_branch": "none",
}
_UNKNOWN = " An older version made this calibration, which does not say whether settings were chosen with its images."


@dataclass(frozen=True)
class Calibration:
    """Scores of good images that the memory bank has not seen, and the false-alarm rate of the thresholds.

    A part is flagged if its image score is above ``image_threshold``, that is, if its p-value is at most
    ``false_alarm_rate``. A part that is not flagged is doubtful if its image score is above ``doubtful_threshold``,
    that is, if its p-value is at most ``doubtful_rate``. A pixel is marked if the anomaly map is above
    ``pixel_threshold``: at most a share ``false_alarm_rate`` of good images has any marked pixel. See
    :mod:`reb_pipeline.calibration.conformal` for the assumptions, and :attr:`guarantee` for whether they hold.

    Where a part has several views, scores, peaks and ids are those of parts: of each part the highest of its views, see
    :mod:`reb_pipeline.calibration.parts`. All rates and numbers are those of parts then.

    Attributes:
        image_scores: float32 [images], in the order of ``image_ids``.
        peak_scores: Highest value of each image's anomaly map, float32 [images].
        image_ids: Ids of the images; for images of a folder their paths relative to it.
        false_alarm_rate: Share of good parts that may be flagged, in (0, 1).
        source: Origin of the images: :data:`CALIBRATION_SPLIT`, :data:`LEFT_OUT` or a folder; in records before
            format 3 also :data:`TRAINING_IMAGES`.
        alpha: Alpha of the scores, with ``auto`` resolved; 0 for scorers without alpha.
        coreset_fingerprint: Hash of the features of the coreset that the images were scored with.
        scoring: The section ``scoring`` of the parameters, JSON values.
        mean_features: Mean patch feature of each image in the space of the bank, float32 [images, channels]; of parts
            that of every view, all views of a part one after the other.
        chosen_by: Fits and choices of settings that used these images; None if an older record does not say.
        fine_tuned: True if the backbone was fine-tuned on these images; None if an older record does not say.
        detector_fingerprint: Hash of the detector; empty if an older record does not say.
        doubtful_rate: Share of good parts that may be doubtful or flagged, at least ``false_alarm_rate`` and below 1;
            None if no part is doubtful.
        views: Views of the parts; None if each image is a part.

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

    FORMAT: ClassVar[int] = 6
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "coreset": "coreset_fingerprint",
        "features_mean": "mean_features",
    }
    FORMER_VALUES: ClassVar[Mapping[str, Any]] = {"chosen_by": None, "fine_tuned": None}

    image_scores: np.ndarray
    peak_scores: np.ndarray
    image_ids: list[str]
    false_alarm_rate: float
    source: str
    alpha: float
    coreset_fingerprint: str
    scoring: dict[str, Any]
    mean_features: np.ndarray
    chosen_by: list[str] | None = field(default_factory=list)
    fine_tuned: bool | None = False
    detector_fingerprint: str = ""
    doubtful_rate: float | None = None
    views: Views | None = None

    def __post_init__(self) -> None:
        numbers = {"false_alarm_rate": self.false_alarm_rate, "alpha": self.alpha}
        if self.doubtful_rate is not None:
            numbers["doubtful_rate"] = self.doubtful_rate
        for name, value in numbers.items():
            if not is_number(value):
                msg = f"The calibration's {name} = {value!r} is no finite number: run the pipeline calibration again."
                raise InputError(msg)
        threshold_rank(self.n_images, self.false_alarm_rate)  # checks the range of the rate
        check_doubtful_rate(self.doubtful_rate, self.false_alarm_rate)

    def of_parts(self, parts: Sequence[str | None], views: Views) -> "Calibration":
        """Reduce the calibration from images to the parts that have all views.

        Args:
            parts: Part of each image.
            views: The views.
        """
        names, rows = views_of_parts(parts, views.per_part)
        return replace(
            self,
            image_scores=self.image_scores[rows].max(axis=1),
            peak_scores=self.peak_scores[rows].max(axis=1),
            image_ids=names,
            mean_features=self.mean_features[rows.ravel()],
            views=views,
        )

    def check_detector(self, detector_fingerprint: str) -> None:
        """Check that a given detector made the scores.

        Args:
            detector_fingerprint: Hash of the detector.

        Raises:
            InputError: If another detector made them.
        """
        if self.detector_fingerprint and self.detector_fingerprint != detector_fingerprint:
            msg = "The calibration is that of another detector than is there now: run the pipeline calibration again."
            raise InputError(msg)

    def check(self, coreset_fingerprint: str, scoring: dict[str, Any], alpha: float) -> None:
        """Check that the scores were made with a given coreset and given settings.

        Args:
            coreset_fingerprint: Hash of the features of the coreset.
            scoring: The section ``scoring`` of the parameters, JSON values. A setting that the calibration does not
                know is newer than its record and was not used: the scores are those of :data:`_BEFORE`.
            alpha: Alpha as a number, also for ``auto``.

        Raises:
            InputError: If coreset or settings differ.
        """
        if self.coreset_fingerprint != coreset_fingerprint:
            msg = "The calibration is that of another coreset than is there now: run the pipeline calibration again."
            raise InputError(msg)
        for name, value in scoring.items():
            used = self.scoring.get(name, _BEFORE.get(name, value))
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
        """Number of images; of parts where these have several views."""
        return len(self.image_ids)

    @property
    def units(self) -> str:
        """Word for the counted units: ``images`` or ``parts``."""
        return "images" if self.views is None else "parts"

    @property
    def good_units(self) -> str:
        """Words for the counted units, with the number of views of a part."""
        if self.views is None:
            return "good images"
        n = self.views.per_part
        return f"good parts of {n} {'view' if n == 1 else 'views'}"

    @property
    def part_features(self) -> np.ndarray:
        """Mean feature of each part over its views, float32 [images, channels]."""
        if self.views is None:
            return self.mean_features
        channels = self.mean_features.shape[1]
        by_view = self.mean_features.reshape(self.n_images, self.views.per_part, channels)
        found: np.ndarray = by_view.mean(axis=1)
        return found

    @property
    def method(self) -> str:
        """Way that the scores were made: ``split``, ``leave_one_out``, or ``own_rows`` of records before format 3."""
        return _METHODS.get(self.source, SPLIT)

    @property
    def guarantee(self) -> str:
        """Knowledge of the rate: ``proven``, ``simulated`` or ``none``.

        It is proven for a split, and simulated for images that are left out in turn. There is none if settings were
        chosen with the images, the backbone was fine-tuned on them, the record does not say, or nothing is flagged.
        """
        if not self.is_promised or self.chosen_by != [] or self.fine_tuned is not False:
            return NO_GUARANTEE
        return {SPLIT: PROVEN, LEAVE_ONE_OUT: SIMULATED}.get(self.method, NO_GUARANTEE)

    def is_same(self, other: "Calibration") -> bool:
        """Return True if another calibration, of the same scores, gives the same thresholds and p-values."""
        return (
            self.false_alarm_rate == other.false_alarm_rate
            and self.doubtful_rate == other.doubtful_rate
            and self.source == other.source
            and self.views == other.views
            and self.image_ids == other.image_ids
            and np.array_equal(self.image_scores, other.image_scores)
            and np.array_equal(self.peak_scores, other.peak_scores)
        )

    @property
    def origin(self) -> str:
        """Rates, number and origin of the images in a few words."""
        rate = self.doubtful_rate
        units = self.units if self.views is None else self.good_units
        doubtful = "" if rate is None else f", doubtful from {100 * rate:.3g} % on,"
        return f"{100 * self.false_alarm_rate:.3g} %{doubtful} by {self.n_images} {units}, {self.source}"

    def facts(self) -> dict[str, Any]:
        """List the rate and the origin of the thresholds, JSON values."""
        return {
            "images": self.n_images,
            "source": self.source,
            "method": self.method,
            "guarantee": self.guarantee,
            "chosen_by": self.chosen_by,
            "fine_tuned": self.fine_tuned,
            "false_alarm_rate": self.false_alarm_rate,
            "doubtful_rate": self.doubtful_rate,
            **({} if self.views is None else {"views": asdict(self.views)}),
        }

    @property
    def image_threshold(self) -> float:
        """Highest image score that is not flagged; infinity if the rate cannot be guaranteed."""
        return conformal_threshold(self.image_scores, self.false_alarm_rate)

    @property
    def doubtful_threshold(self) -> float | None:
        """Highest image score that is good; None if no part is doubtful."""
        if self.doubtful_rate is None or not self.can_flag:
            return None
        return conformal_threshold(self.image_scores, self.doubtful_rate)

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
        """Describe the guarantee of the calibration in words, with counts and with its limits.

        Args:
            n_parts: Number of further good parts in the statement.
        """
        n, rate = self.n_images, self.false_alarm_rate
        which = f"{self.good_units} {_WHICH.get(self.source, f'in {self.source}')}"
        limits = _LIMITS[self.method]
        if self.fine_tuned:
            limits = _FINE_TUNED
        if self.chosen_by:
            limits += _CHOSEN.format(", ".join(self.chosen_by))
        elif self.chosen_by is None:
            limits += _UNKNOWN
        if not self.is_promised:
            possible = f", only one of {100 * smallest_rate(n):.3g} % or more" if n else ""
            return (
                f"A false-alarm rate of {100 * rate:.3g} % cannot be promised with {n} {which}{possible}: "
                f"at least {images_needed(rate)} {self.units} are needed; so every part is undecided."
            )
        n_above = int(above(self.image_scores, self.image_threshold).sum())
        alarms = false_alarm_band(n, rate, n_parts, CONFIDENCE)
        return (
            f"Of {n} {which}, {n_above or 'none'} {'is' if n_above < 2 else 'are'} above the threshold; of "
            f"{n_parts} further good parts {alarms.expected:.1f} are expected to be flagged, at most "
            f"{alarms.at_most} ({100 * CONFIDENCE:.0f} %).{self._about_doubt(n_parts)}{limits}"
        )

    def about_odd_images(self) -> str:
        """Say that the threshold rests on images far from all other good ones; empty if it does not.

        A defective part among the calibration images would raise the threshold above the scores of other defects.
        """
        if not self.can_flag:
            return ""
        threshold, middle = self.image_threshold, float(np.median(self.image_scores))
        below = self.image_scores[self.image_scores < threshold]
        if not len(below) or threshold - middle <= ODD_DISTANCE * (below.max() - middle):
            return ""
        odd = [
            repr(self.image_ids[number])
            for number in np.flatnonzero(self.image_scores >= threshold)
        ]
        return (
            f"The threshold {threshold:.4g} rests on {len(odd)} of {self.n_images} {self.good_units}, "
            f"{', '.join(odd[:3])}{', …' if len(odd) > 3 else ''}: the next one scores {below.max():.4g}, the median "
            f"{middle:.4g}. Look at "
            f"{'it' if len(odd) == 1 else 'them'}: what is not good belongs to the defective images; what is good has "
            f"to stay, or more than {100 * self.false_alarm_rate:.3g} % of good parts are flagged."
        )

    def _about_doubt(self, n_parts: int) -> str:
        """Say how many good parts are expected to need a second look; nothing if no part is doubtful."""
        if self.doubtful_rate is None or self.doubtful_rate == self.false_alarm_rate:
            return ""
        looks = false_alarm_band(self.n_images, self.doubtful_rate, n_parts, CONFIDENCE)
        return (
            f" Between {100 * self.false_alarm_rate:.3g} % and {100 * self.doubtful_rate:.3g} % parts are doubtful: "
            f"{looks.expected:.1f} of the {n_parts} are expected to be doubtful or flagged, at most {looks.at_most} "
            f"({100 * CONFIDENCE:.0f} %)."
        )
