"""An inspector that judges by brightness; also run as a program, `reb-serve` with it."""

import sys
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np

from reb_pipeline.calibration.verdicts import DEFECTIVE, UNDECIDED, can_flag, verdict_of
from reb_pipeline.inspection.results import Defect, Inspection, NearestGood

SIDE = 16


class PretendInspector:
    """Bright images are defective; everything else as the real one.

    Args:
        gate: What each inspection waits for.
        seconds: How long each takes.
        threshold: Of image and pixels.
        doubtful_threshold: Of image scores; None if no part is doubtful.
        fails: Whether each inspection ends in an error that nobody expects.
    """

    name = "screw"
    model_id = 8 * "0123abcd"
    written = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)

    def __init__(self, gate=None, seconds=0.0, threshold=0.5, fails=False, doubtful_threshold=None):
        self.gate = gate
        self.seconds = seconds
        self.fails = fails
        self.image_threshold = self.pixel_threshold = threshold
        self.doubtful_threshold = doubtful_threshold
        self.calibration = SimpleNamespace(
            peak_scores=np.array([0.1, 0.2], np.float32),
            pixel_threshold=threshold,
            can_flag=can_flag(threshold),
            false_alarm_rate=0.05,
            doubtful_rate=None if doubtful_threshold is None else 0.1,
            n_images=2,
            statement=lambda: "2 images are too few, so every part is undecided.",
        )
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def inspect(self, image):
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        if self.gate:
            self.gate.wait(20)
        time.sleep(self.seconds)
        with self._lock:
            self.at_once -= 1
        if self.fails:
            msg = "a defect of ours"
            raise RuntimeError(msg)
        assert image.dtype == np.uint8
        height, width = image.shape[:2]
        score = float(image.mean()) / 255
        verdict = verdict_of(score, self.image_threshold, self.doubtful_threshold)
        flagged = verdict == DEFECTIVE
        return Inspection(
            image_score=score,
            global_score=score / 16,
            p_value=0.25 if flagged else 0.75,
            verdict=verdict,
            anomaly_map=np.full((SIDE, SIDE), score, np.float32),
            defects=[Defect((0, 0, width, height), width * height, score)] if flagged else [],
            seconds=0.01,
            worst_patch=(0, 0, 1, 1),
            mean_features=np.zeros(4, np.float32),
            reason=self.calibration.statement() if verdict == UNDECIDED else "",
        )

    def explain(self, inspection, n=3):
        return [
            NearestGood(
                image_id=f"good/<{k}>",
                distance=k / 2,
                crop=np.zeros((4, 6, 3), np.uint8),
                box=(k, 0, 6, 4),
            )
            for k in range(n)
        ]


if __name__ == "__main__":
    from reb_pipeline.inspection import inspector as module
    from reb_pipeline.service.cli import main

    pretend = PretendInspector(seconds=float(sys.argv[1]))
    module.Inspector.load = classmethod(lambda *_: pretend)
    sys.exit(main(["--model", "somewhere", *sys.argv[2:]]))
