"""Memory bank and feature reconstruction as one detector, fused by their surprise."""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.interface import FeatureSource, held_out_tenth
from reb_pipeline.detectors.reconstruction import FeatureReconstructionDetector
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.reconstruction.settings import FeatureReconstructionSettings
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.scoring.surprise import fuse_detections


@dataclass(eq=False)
class HybridDetector:
    """LDKNN and hierarchical feature reconstruction, scored by the mean surprise of both.

    Both learn from nine tenths of the good images. Their patch scores are calibrated on the remaining tenth, see
    :func:`reb_pipeline.scoring.surprise.surprise`.

    Attributes:
        memory_bank: Distance and coreset.
        scoring: Settings of the memory bank's patch scores, and of the image score of the fused patch scores.
        reconstruction: Settings of the feature reconstruction.
        device: Device of both, see :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; None shows no bars.
    """

    memory_bank: MemoryBankSettings = MemoryBankSettings()
    scoring: ScoringSettings = ScoringSettings()
    reconstruction: FeatureReconstructionSettings = FeatureReconstructionSettings()
    device: str = "auto"
    description: str | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of both detectors, and of the good scores for their calibration."""
        learned = self._bank.nbytes + self._reconstruction.nbytes
        good = [np.asarray(detection.patch_scores) for detection in self._good]
        return learned + sum(scores.nbytes for scores in good)

    def fit(self, good: FeatureSource) -> None:
        """Fit both detectors, then calibrate them.

        Raises:
            InputError: If there are fewer than three images, or a detector cannot be fitted.
        """
        learned, held_out = held_out_tenth(good)
        if held_out is None:
            msg = (
                f"{len(good.image_ids)} good images are too few for the detector hybrid, which learns from some and is "
                f"calibrated on others: give at least 3."
            )
            raise InputError(msg)
        self._processor = str(torch_device(self.device))
        k = self.scoring.n_neighbors  # no other K is scored
        self._bank = MemoryBankDetector.fit(
            learned,
            self.memory_bank,
            self.scoring.model_copy(update={"max_neighbors": k}),
            device=self._processor,
        )
        self._reconstruction = FeatureReconstructionDetector(
            self.reconstruction, self.scoring.of_images, self.device, self.description
        )
        self._reconstruction.fit_on(learned, held_out)
        self._good = self._detect_by_each(held_out)

    def detect(self, images: FeatureSource) -> Detection:
        """Score images and their patches; good patches have a mean of 1.

        Raises:
            InputError: If there are no images, or the image score compares neighbours.
        """
        return fuse_detections(self._detect_by_each(images), self._good, self.scoring)

    def _detect_by_each(self, images: FeatureSource) -> list[Detection]:
        return [self._bank.detect(images, self._processor), self._reconstruction.detect(images)]
