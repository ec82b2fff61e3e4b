"""SPADE: the most similar good images, then the most similar patches within them (Cohen & Hoshen 2020)."""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.detectors.interface import FeatureSource
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.search.index import nearest_neighbors


@dataclass(eq=False)
class SpadeDetector:
    """SPADE: an image is compared with the most similar good images, and its patches with the patches of these.

    Memory holds the patch features of all good images; detection copies those of ``n_images`` of them.

    Attributes:
        n_images: K, the number of good images to compare with (50 in the paper), or all if there are fewer.
        n_patches: κ, the number of nearest patches to compare a patch with (1 in the paper).
    """

    n_images: int = 50
    n_patches: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes of the good images' features."""
        return self._patches.nbytes + self._pooled.nbytes

    def fit(self, good: FeatureSource) -> None:
        """Store the features of good images.

        Raises:
            InputError: If there is no image.
        """
        bank = collect_patches(good.patches(), len(good.image_ids), {})
        self._patches = bank.features.reshape(len(bank.image_ids), -1, bank.features.shape[1])
        self._pooled = good.pooled()

    def detect(self, images: FeatureSource) -> Detection:
        """Score images by the mean distance to their K nearest images, patches by that to their κ nearest patches."""
        n_images = min(self.n_images, len(self._pooled))
        squared, galleries = nearest_neighbors(images.pooled(), self._pooled, n_images)
        scores = [
            self._patch_scores(grid, gallery)
            for (_, grid), gallery in zip(images.patches(), galleries, strict=True)
        ]
        return Detection(images.image_ids, np.sqrt(squared).mean(axis=1), np.stack(scores))

    def _patch_scores(self, grid: np.ndarray, gallery: np.ndarray) -> np.ndarray:
        """Average the distances of every patch to its nearest patches of some good images, at any position."""
        h, w, channels = grid.shape
        bank = self._patches[gallery].reshape(-1, channels)
        squared, _ = nearest_neighbors(grid.reshape(-1, channels), bank, self.n_patches)
        return np.sqrt(squared).mean(axis=1).reshape(h, w)
