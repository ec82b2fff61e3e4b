"""Scored test images for the report of a training: what is bright is anomalous."""

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.text_lists import to_text
from reb_pipeline.figures.page import Evaluated
from reb_pipeline.metrics.at_threshold import at_threshold
from reb_pipeline.metrics.report import evaluate, measured
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

EVIL = "</script><script>alert('x')</script>"
SHAPE = (48, 64)
FAULT = "The part could not be aligned: only 40 % of it lie in the photo."


class Drawn:
    """Grey images; a defective one has a bright square, which its mask marks."""

    has_regions = False

    def __init__(self, category):
        self.category = category

    def open_image(self, path, sha256=""):
        image = np.random.default_rng(len(path)).integers(70, 90, (*SHAPE, 3), dtype=np.uint8)
        if path.startswith("defective"):
            image[12:24, 16:32] = 250
        return image

    def open_mask(self, mask_paths, hashes=()):
        mask = np.zeros(SHAPE, bool)
        mask[12:24, 16:32] = True
        return mask


def evaluated_parts(
    category="bolt", good=12, defective=9, masks=True, n_calibration=99, doubtful_rate=None,
    unaligned=(),
):  # fmt: skip
    """Good scores 0.1, 0.2, …, of which one is too high; every third defect is missed or of another type."""
    calibration_scores = np.linspace(0.2, 1.0, n_calibration).astype(np.float32)
    calibration = Calibration(
        image_scores=calibration_scores, peak_scores=calibration_scores,
        image_ids=[f"calibration/{i}" for i in range(n_calibration)], false_alarm_rate=0.05,
        source="calibration split", alpha=1.0, coreset_fingerprint="c", scoring={},
        mean_features=np.zeros((n_calibration, 2), np.float32), doubtful_rate=doubtful_rate,
    )  # fmt: skip
    rows = [
        {
            "id": f"good/{i}", "path": f"good/{i}.png", "mask_paths": to_text([]), "label": 0,
            "defect_type": "good", "image_score": 1.5 if i == good - 1 else 0.05 * (i + 1),
        }
        for i in range(good)
    ] + [
        {
            "id": f"defective/{i}", "path": f"defective/{i}.png",
            "mask_paths": to_text(["m.png"] if masks else []), "label": 1,
            "defect_type": EVIL if i % 3 == 2 else "scratch",
            "image_score": 0.3 + 0.01 * i if i % 3 == 1 else 2.0 + i,
        }
        for i in range(defective)
    ]  # fmt: skip
    scores = pd.DataFrame(rows).assign(height=SHAPE[0], width=SHAPE[1])
    if unaligned:
        scores["pose_fault"] = [FAULT if row["id"] in unaligned else "" for row in rows]
    patch_scores = np.full((len(rows), 12, 16), 0.1, np.float32)
    for place, row in enumerate(rows):
        if row["label"]:
            patch_scores[place, 3:6, 4:8] = row["image_score"]
    maps = AnomalyMaps(patch_scores, scores["id"].tolist(), size=64, sigma=1.0)
    images = Drawn(category)
    metrics = evaluate(
        scores, maps, images, pro_fpr_limit=0.3, spro_fpr_limit=0.05, description=None
    )
    tested = measured(scores)
    flagged = at_threshold(tested, calibration.image_threshold, 0.05, n_calibration)
    if doubtful_rate is not None:
        flagged["doubtful"] = at_threshold(
            tested, calibration.doubtful_threshold, doubtful_rate, n_calibration
        )
    return Evaluated(scores, maps, images, {**metrics, "at_threshold": flagged}, calibration)
