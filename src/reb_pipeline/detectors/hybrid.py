"""Both paradigms at once: a memory bank and a reconstruction, their judgements fused by how unlikely each is."""

from collections.abc import Sequence

import numpy as np

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.interface import (
    Detection,
    FeatureSource,
    held_out_tenth,
    patch_detection,
)
from reb_pipeline.detectors.memory_bank import MemoryBankDetector
from reb_pipeline.detectors.reconstruction import FeatureReconstructionDetector
from reb_pipeline.scoring.surprise import fuse_surprise, surprise


class HybridDetector:
    """LDKNN and hierarchical feature reconstruction; the mean surprise of both counts.

    Both learn from all good images but a tenth, on which their patch scores are calibrated, see
    :func:`reb_pipeline.scoring.surprise.surprise`.

    Args:
        distance: See :class:`reb_pipeline.detectors.memory_bank.MemoryBankDetector`.
        coreset_ratio: Likewise.
        n_neighbors: Likewise.
        alpha: Likewise.
        form: Likewise.
        feature_loss: See :class:`reb_pipeline.detectors.reconstruction.FeatureReconstructionDetector`.
        fusion: Likewise, of the levels.
        layers: Likewise.
        updates: Likewise.
        batch_size: Likewise.
        learning_rate: Likewise.
        image_score: A key of :data:`reb_pipeline.scoring.image_scores.IMAGE_SCORES`.
        seed: Of both.
        device: Of both.
        description: Label of the progress bars; none without it.
    """

    def __init__(
        self,
        *,
        distance: str = "euclidean",
        coreset_ratio: float = 1,
        n_neighbors: int = 5,
        alpha: float = 1,
        form: str = "subtract_squared",
        feature_loss: str = "cosine",
        fusion: str = "product",
        layers: Sequence[str | int] | None = None,
        updates: int = 400,
        batch_size: int = 16,
        learning_rate: float = 0.004,
        image_score: str = "block_max",
        seed: int = 0,
        device: str = "auto",
        description: str | None = None,
    ) -> None:
        self._image_score = image_score
        self._memory_bank = MemoryBankDetector(
            "ldknn",
            distance=distance,
            coreset_ratio=coreset_ratio,
            n_neighbors=n_neighbors,
            alpha=alpha,
            form=form,
            seed=seed,
            device=str(torch_device(device)),
        )
        self._reconstruction = FeatureReconstructionDetector(
            feature_loss=feature_loss,
            fusion=fusion,
            layers=layers,
            updates=updates,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            device=device,
            description=description,
        )

    @property
    def nbytes(self) -> int:
        """Of both, and of the good scores that they are calibrated on."""
        learned = self._memory_bank.nbytes + self._reconstruction.nbytes
        return learned + sum(scores.nbytes for scores in self._good_scores)

    def fit(self, good: FeatureSource) -> None:
        """Fit both, then calibrate them.

        Raises:
            InputError: If there are fewer than three images, or one of both cannot be fitted.
        """
        learned, held_out = held_out_tenth(good)
        if held_out is None:
            msg = (
                f"{len(good.image_ids)} good images are too few for the detector hybrid, which learns from some and is "
                f"calibrated on others: give at least 3."
            )
            raise InputError(msg)
        self._memory_bank.fit(learned)
        self._reconstruction.fit_on(learned, held_out)
        self._good_scores = self._patch_scores(held_out)

    def detect(self, images: FeatureSource) -> Detection:
        """Judge images and their patches; 1 is the mean of good patches.

        Raises:
            InputError: If there are no images, or the image score is unknown.
        """
        pairs = zip(self._patch_scores(images), self._good_scores, strict=True)
        fused = fuse_surprise([surprise(scores, good) for scores, good in pairs])
        return patch_detection(images.image_ids, fused, self._image_score)

    def _patch_scores(self, images: FeatureSource) -> list[np.ndarray]:
        """Of each, float32 [images, h, w]."""
        return [
            np.asarray(detector.detect(images).patch_scores)
            for detector in (self._memory_bank, self._reconstruction)
        ]
