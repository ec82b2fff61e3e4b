"""Several layers with one memory bank each, and the mean of their scores."""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.core.evenly import spread
from reb_pipeline.detectors.interface import FeatureSource, check_image_count
from reb_pipeline.memory_bank.bank import MemoryBank, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.nearest_patches import search_images, search_other_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.anomaly_maps import resize_map
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings

LEFT_OUT_IMAGES = 32  # good images that the usual distance is measured on


@dataclass(frozen=True)
class LayerBank:
    """Memory bank of one layer, and the unit of its scores.

    Attributes:
        layer: The layer.
        bank: The coreset's rows.
        usual: Mean squared distance of good patches to their nearest row from another image; the unit of the scores.
    """

    layer: str | int
    bank: MemoryBank
    usual: float


@dataclass(eq=False)
class FusedDetector:
    """Detector that searches every layer on its own grid and averages the patch scores of all layers.

    A layer's patch score is the squared distance to the nearest row of its memory bank. It is divided by the mean of
    good patches compared with the other good images. Scores are upsampled bilinearly to the finest grid.

    Attributes:
        scoring: Name and settings of the image score.
        coreset_ratio: Share of each bank's rows, in (0, 1].
        seed: Seed of the coreset selection.
    """

    scoring: ImageScoreSettings = ImageScoreSettings()
    coreset_ratio: float = 1
    seed: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the memory banks."""
        return sum(bank.bank.features.nbytes for bank in self._banks)

    def fit(self, good: FeatureSource) -> None:
        """Fill one memory bank per layer.

        Raises:
            InputError: If there are fewer than two images.
        """
        check_image_count(good, 2, "each is compared with the others")
        self._banks = [self._fit_layer(good, layer) for layer in good.layers]

    def detect(self, images: FeatureSource) -> Detection:
        """Score images and their patches; good patches have a mean of 1."""
        finest, *others = [self._score_layer(images, bank) for bank in self._banks]
        for scores in others:
            finest += [resize_map(grid, finest.shape[1:]) for grid in scores]
        return Detection.of_patches(images.image_ids, finest / len(self._banks), self.scoring)

    def _fit_layer(self, good: FeatureSource, layer: str | int) -> LayerBank:
        bank = collect_patches(good.patches([layer]), len(good.image_ids), {})
        coreset = select_coreset(
            bank, MemoryBankSettings(coreset_ratio=self.coreset_ratio, seed=self.seed)
        )
        left_out = search_other_images(bank, coreset, 1, evenly_spaced(good))
        return LayerBank(layer, coreset.of(bank), usual_distance(left_out.squared_distances))

    def _score_layer(self, images: FeatureSource, bank: LayerBank) -> np.ndarray:
        """Score the patches of one layer, float32 [images, h, w]."""
        nearest = search_images(images.patches([bank.layer]), bank.bank)
        return nearest.squared_distances[..., 0] / np.float32(bank.usual)


def evenly_spaced(good: FeatureSource) -> list[int]:
    """Choose evenly spaced images, at most :data:`LEFT_OUT_IMAGES`; their positions."""
    return spread(len(good.image_ids), LEFT_OUT_IMAGES)


def usual_distance(squared_distances: np.ndarray) -> float:
    """Average squared distances; 1 if all are zero, to avoid a division by zero."""
    return float(squared_distances.mean()) or 1.0
