"""What an inspection finds."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from reb_pipeline.inspection.defects import Defect

UNREADABLE = "unreadable"  # in the place of a verdict, of an image that could not be read
# Columns of inspections as they were named before -> their names; tables and journals of that time are still read.
FORMER_COLUMNS = {"features_mean": "mean_features"}


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found in one image.

    Attributes:
        image_score: Higher is more anomalous.
        p_value: Share of good images, this one included, that score at least as high.
        flagged: Whether the image score is above the threshold.
        anomaly_map: float32 [side, side]; see :func:`reb_pipeline.scoring.anomaly_maps.resize_map`.
        defects: Regions of marked pixels, largest area first; even a good image may have one.
        seconds: What the inspection took.
        worst_patch: The patch of the highest score: x, y, width and height in pixels of the image as it came.
        mean_features: Mean patch feature, float32 [channels].
        worst_feature: Feature of the worst patch, float32 [channels]; what an explanation starts from.
    """

    image_score: float
    p_value: float
    flagged: bool
    anomaly_map: np.ndarray
    defects: list[Defect]
    seconds: float
    worst_patch: tuple[int, int, int, int]
    mean_features: np.ndarray
    worst_feature: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32), repr=False)

    @property
    def verdict(self) -> Literal["good", "defective"]:
        """``"good"`` or ``"defective"``."""
        return "defective" if self.flagged else "good"


@dataclass(frozen=True, eq=False)
class NearestGood:
    """A good patch of the bank.

    Attributes:
        image_id: The good image it is from.
        distance: Euclidean distance of its feature, in the space of the bank.
        crop: The patch with its surroundings in the good image as packaged, uint8 [h, w, 3] RGB.
        box: Where the crop lies: x, y, width and height in pixels of the good image as packaged.
    """

    image_id: str
    distance: float
    crop: np.ndarray
    box: tuple[int, int, int, int]
