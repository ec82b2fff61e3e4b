"""An inspector without a network: what is bright is anomalous."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.calibration.verdicts import UNDECIDED, verdict_of
from reb_pipeline.inspection.defects import find_defects
from reb_pipeline.inspection.results import Inspection, NearestGood
from reb_pipeline.scoring.anomaly_maps import resize_map

SIDE = 64  # px of a map
GREY, WHITE = 80, 250  # of a good part, of a defect


def make_calibration(n=99, **changes):
    scores = np.linspace(0.2, 0.5, n).astype(np.float32)
    values = {
        "image_scores": scores,
        "peak_scores": scores,
        "image_ids": [f"calibration/{number}" for number in range(n)],
        "false_alarm_rate": 0.05,
        "source": "calibration split",
        "alpha": 1.0,
        "coreset_fingerprint": "c0",
        "scoring": {},
        "mean_features": np.zeros((n, 3), np.float32),
    }
    return Calibration(**{**values, **changes})


class FakeInspector:
    """Counts what it inspects; stops like Ctrl-C after some images if told so."""

    def __init__(self, model_id="model-1", name="bolt", calibration=None, stop_after=None):
        self.model_id, self.name, self.stop_after = model_id, name, stop_after
        self.calibration = calibration or make_calibration()
        self.image_threshold = self.calibration.image_threshold
        self.doubtful_threshold = self.calibration.doubtful_threshold
        self.pixel_threshold = self.calibration.pixel_threshold
        self.inspected = 0

    def inspect(self, image):
        if self.inspected == self.stop_after:
            raise KeyboardInterrupt
        self.inspected += 1
        values = resize_map(image.mean(axis=2, dtype=np.float32) / 255, (SIDE, SIDE))
        score = float(values.max() + values.mean() / 10)  # a larger defect is worse
        verdict = verdict_of(score, self.image_threshold, self.doubtful_threshold)
        y, x = np.unravel_index(values.argmax(), values.shape)
        height, width = image.shape[:2]
        return Inspection(
            image_score=score,
            p_value=float(self.calibration.p_values([score])[0]),
            verdict=verdict,
            anomaly_map=values,
            defects=find_defects(values, self.pixel_threshold, (height, width)),
            seconds=0.01,
            worst_patch=(int(x * width // SIDE), int(y * height // SIDE), 8, 8),
            mean_features=image.reshape(-1, 3).mean(axis=0).astype(np.float32),
            reason=self.calibration.statement() if verdict == UNDECIDED else "",
            patch_map=values,
            global_score=score / 4 if self.calibration.scoring else 0.0,
        )

    def map_region(self, placement, aspect):
        return None

    def map_of(self, patch_map, placement, aspect):
        return patch_map

    def explain(self, inspection, n=3):
        crop = np.full((24, 24, 3), GREY, np.uint8)
        return [NearestGood(f"good/<{i}>", 0.5 * (i + 1), crop, (0, 0, 24, 24)) for i in range(n)]


def part(defect=0.0, seed=0, size=(48, 96)):
    """uint8 [height, width, 3]; a bright square of a share of the height in the middle, or none."""
    image = np.random.default_rng(seed).integers(GREY - 10, GREY + 10, (*size, 3), dtype=np.uint8)
    side = round(defect * size[0])
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    image[top : top + side, left : left + side] = WHITE
    return image


def write_part(path: Path, defect=0.0, seed=None):
    """Another part for every name, unless told a seed."""
    seed = int.from_bytes(hashlib.sha256(str(path).encode()).digest()[:4]) if seed is None else seed
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(part(defect, seed)).save(path)


def write_folder(root: Path):
    """Five good parts, three defective ones, and one that is no image."""
    for number in range(5):
        write_part(root / f"good {number}.png")
    for number, size in enumerate((0.3, 0.5, 0.7)):
        write_part(root / "line 2" / f"bad{number}.png", size)
    (root / "broken.png").write_bytes(b"no image")
    return root
