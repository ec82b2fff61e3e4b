"""Layers side by side: one memory bank each, their judgements averaged."""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.detectors.interface import (
    Detection,
    FeatureSource,
    insist_on_images,
    patch_detection,
)
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.nearest_patches import search_images, search_other_images
from reb_pipeline.scoring.anomaly_maps import resize_map

LEFT_OUT_IMAGES = 32  # good images compared with the others, to learn the usual distance


@dataclass(frozen=True)
class LayerBank:
    """What test patches of one layer are compared with.

    Attributes:
        layer: The layer.
        features: float32 [rows, channels].
        usual: Mean squared distance of good patches to their nearest row of other images.
    """

    layer: str | int
    features: np.ndarray
    usual: float


class FusedDetector:
    """Every layer judges alone, on its own grid; the mean of their judgements counts.

    A layer's patch score is the squared distance to the nearest row of its memory bank, divided by the mean of good
    patches compared with the other good images. Scores are upsampled bilinearly to the finest grid.

    Args:
        coreset_ratio: Share of each bank's rows, in (0, 1].
        image_score: A key of :data:`reb_pipeline.scoring.image_scores.IMAGE_SCORES`.
        seed: Of the coreset selection.
    """

    def __init__(
        self, *, coreset_ratio: float = 1, image_score: str = "block_max", seed: int = 0
    ) -> None:
        self._coreset_ratio = coreset_ratio
        self._image_score = image_score
        self._seed = seed

    @property
    def nbytes(self) -> int:
        """Of the memory banks."""
        return sum(bank.features.nbytes for bank in self._banks)

    def fit(self, good: FeatureSource) -> None:
        """Fill one memory bank a layer.

        Raises:
            InputError: If there are fewer than two images.
        """
        insist_on_images(good, 2, "each is compared with the others")
        self._banks = [self._fit_layer(good, layer) for layer in good.layers]

    def detect(self, images: FeatureSource) -> Detection:
        """Judge images and their patches, 1 being usual for a good patch."""
        finest, *others = [self._judge(images, bank) for bank in self._banks]
        for scores in others:
            finest += [resize_map(grid, finest.shape[1:]) for grid in scores]
        return patch_detection(images.image_ids, finest / len(self._banks), self._image_score)

    def _fit_layer(self, good: FeatureSource, layer: str | int) -> LayerBank:
        bank = collect_patches(good.patches([layer]), len(good.image_ids), {})
        coreset = select_coreset(bank, self._coreset_ratio, self._seed)
        left_out = search_other_images(bank, coreset, 1, evenly_spaced(good))
        return LayerBank(layer, coreset.features(bank), usual_distance(left_out.squared_distances))

    def _judge(self, images: FeatureSource, bank: LayerBank) -> np.ndarray:
        """Patch scores of one layer, float32 [images, h, w]."""
        nearest = search_images(images.patches([bank.layer]), bank.features)
        return nearest.squared_distances[..., 0] / np.float32(bank.usual)


def evenly_spaced(good: FeatureSource) -> list[int]:
    """Some of the images, at most :data:`LEFT_OUT_IMAGES`."""
    n = len(good.image_ids)
    return np.linspace(0, n - 1, min(n, LEFT_OUT_IMAGES)).astype(int).tolist()


def usual_distance(squared_distances: np.ndarray) -> float:
    """Their mean; 1 where all are zero, there being no scale to divide by."""
    return float(squared_distances.mean()) or 1.0
