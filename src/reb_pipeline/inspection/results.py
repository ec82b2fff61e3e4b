"""Results of an inspection."""

from dataclasses import dataclass, field

import numpy as np

from reb_pipeline.calibration.verdicts import DEFECTIVE, Verdict
from reb_pipeline.inspection.defects import Defect

# Former names of columns -> present names; old tables and journals are still read.
FORMER_COLUMNS = {"features_mean": "mean_features"}


@dataclass(frozen=True, eq=False)
class Inspection:
    """Result of the inspection of one image.

    Attributes:
        image_score: Image score; higher is more anomalous.
        p_value: Share of good images, including this image, that score at least as high.
        verdict: ``"good"``, ``"defective"`` or ``"undecided"``, see :mod:`reb_pipeline.calibration.verdicts`.
        anomaly_map: float32 [side, side]; see :func:`reb_pipeline.scoring.anomaly_maps.resize_map`.
        defects: Regions of marked pixels, largest area first; a good image may have some too.
        seconds: Duration of the inspection.
        worst_patch: Patch with the highest score: x, y, width and height in pixels of the original image.
        mean_features: Mean patch feature, float32 [channels].
        worst_feature: Feature of the worst patch, float32 [channels]; used by explanations.
        reason: Why the part is undecided, a sentence; empty otherwise.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.inspection import Inspector
        >>> inspector = Inspector.load("tests/inspection/models/former_records")
        >>> inspection = inspector.inspect(np.full((480, 640, 3), 255, np.uint8))  # white, unlike any part
        >>> inspection.verdict, inspection.p_value
        ('defective', 0.05)
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

    @property
    def flagged(self) -> bool:
        """True if the part is defective: its image score is above the threshold."""
        return self.verdict == DEFECTIVE


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
