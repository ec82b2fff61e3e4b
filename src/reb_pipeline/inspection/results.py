"""Results of an inspection."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.calibration.verdicts import DEFECTIVE, Verdict
from reb_pipeline.images.pose import Placement
from reb_pipeline.inspection.defects import Defect

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration

# Former names of columns -> present names; old tables and journals are still read.
FORMER_COLUMNS = {"features_mean": "mean_features"}


@dataclass(frozen=True, eq=False)
class Drawing:
    """Image and calibration that an overlay is drawn with.

    Attributes:
        image: The inspected image, uint8 [height, width, 3] RGB.
        calibration: Calibration of the model, for its threshold and its scale of colours.
    """

    image: np.ndarray
    calibration: "Calibration"


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """Result of the inspection of one image.

    Attributes:
        image_score: Image score; higher is more anomalous.
        p_value: Share of good images, including this image, that score at least as high.
        verdict: ``"good"``, ``"doubtful"``, ``"defective"`` or ``"undecided"``, see
            :mod:`reb_pipeline.calibration.verdicts`.
        anomaly_map: float32 [h, w]; see :func:`reb_pipeline.scoring.anomaly_maps.resize_map`.
        defects: Regions of marked pixels, largest area first; a good image may have some too.
        seconds: Duration of the inspection.
        worst_patch: Patch with the highest score: x, y, width and height in pixels of the original image.
        mean_features: Mean patch feature, float32 [channels].
        worst_feature: Feature of the worst patch, float32 [channels]; used by explanations.
        reason: Why the part is undecided, a sentence; empty otherwise.
        shows_part: False if the image shows something else than the part, so that its score means nothing.
        region: Pixels of the map that were looked at, bool [h, w]; None for all.
        placement: Where the part lies in the image; None in a model without a pose. Maps and boxes are those of the
            image.
        patch_map: Values of the patches that the anomaly map is made of, float32 [h, w].
        global_score: Part of the image score that the whole image adds to its patches; a part can be flagged by it
            where nothing is marked. 0 without a global branch.
        zone: Zone that the worst patch lies in, see :mod:`reb_pipeline.scoring.zones`; empty without zones.
        drawing: Image that :meth:`overlay` draws on, with its calibration; None if not made by
            :meth:`reb_pipeline.inspection.inspector.Inspector.inspect`.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline import Inspector
        >>> inspector = Inspector.load("tests/inspection/models/former_records")
        >>> inspection = inspector.inspect(np.full((480, 640, 3), 255, np.uint8))  # white, unlike any part
        >>> inspection
        Inspection(defective, image_score=3.924e+04, p_value=0.05, defects=1)
        >>> inspection.to_dict()["defects"][0]["box"]
        [0, 0, 640, 480]
        >>> inspection.overlay().shape
        (480, 640, 3)
    """

    image_score: float
    p_value: float
    verdict: Verdict
    anomaly_map: np.ndarray
    defects: list[Defect]
    seconds: float
    worst_patch: tuple[int, int, int, int]
    mean_features: np.ndarray
    worst_feature: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    reason: str = ""
    shows_part: bool = True
    region: np.ndarray | None = None
    placement: Placement | None = None
    patch_map: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    global_score: float = 0.0
    zone: str = ""
    drawing: Drawing | None = None

    @property
    def flagged(self) -> bool:
        """True if the part is defective: its image score is above the threshold."""
        return self.verdict == DEFECTIVE

    @property
    def pose(self) -> dict[str, float] | None:
        """Angle and shift of the part, see :meth:`reb_pipeline.images.pose.Placement`; None if it was not aligned."""
        at = self.placement
        if at is None or at.fault:
            return None
        return {"degrees": at.degrees, "right": at.right, "down": at.down}

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values, without map, features and image."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "image_score": float(self.image_score),
            "global_score": float(self.global_score),
            "p_value": float(self.p_value),
            "defects": [
                {"box": [int(side) for side in one.box], "area": int(one.area), "peak": one.peak}
                for one in self.defects
            ],
            "worst_patch": [int(side) for side in self.worst_patch],
            "pose": self.pose,
            "zone": self.zone,
            "seconds": float(self.seconds),
        }

    def overlay(self) -> np.ndarray:
        """Draw anomaly map, outlines and boxes, see :func:`reb_pipeline.inspection.overlay.draw_overlay`.

        Returns:
            uint8 [h, w, 3] RGB, at most 1280 pixels wide and high.

        Raises:
            ValueError: If the inspection holds no image.
        """
        from reb_pipeline.inspection.overlay import ColourScale, draw_overlay

        if self.drawing is None:
            msg = (
                "This inspection holds no image to draw on: Inspector.inspect makes one that does."
            )
            raise ValueError(msg)
        calibration = self.drawing.calibration
        scale, threshold = ColourScale.of(calibration), calibration.pixel_threshold
        return draw_overlay(self.drawing.image, self, scale, threshold)

    def __repr__(self) -> str:
        return (
            f"Inspection({self.verdict}, image_score={self.image_score:.4g}, p_value={self.p_value:.4g}, "
            f"defects={len(self.defects)})"
        )


@dataclass(frozen=True, eq=False)
class NearestGood:
    """Good patch of the memory bank.

    Attributes:
        image_id: Id of its good image.
        distance: Euclidean distance to its feature, in the space of the bank.
        crop: The patch with its surroundings in the packaged good image, uint8 [h, w, 3] RGB.
        box: Position of the crop: x, y, width and height in pixels of the packaged good image.
    """

    image_id: str
    distance: float
    crop: np.ndarray
    box: tuple[int, int, int, int]
