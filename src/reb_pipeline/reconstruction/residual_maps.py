"""Residual maps of many images, level by level; light to import."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.reconstruction.fusion import fuse_residuals
from reb_pipeline.scoring.anomaly_maps import resize_map
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings


@dataclass(frozen=True, eq=False)
class ResidualMaps:
    """Residuals between the features of images and their reconstruction, phi_1 to phi_K of arXiv 2405.09148.

    Attributes:
        levels: float32 [images, levels, h, w], finest level first, all on its grid; a level's usual residual, that of
            good images, is 1.
        image_ids: Ids of the images.
        decoder_fingerprint: Hash of the decoder's weights.
    """

    FORMAT: ClassVar[int] = 2
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"decoder": "decoder_fingerprint"}

    levels: np.ndarray
    image_ids: list[str]
    decoder_fingerprint: str

    def __getitem__(self, image_id: str) -> np.ndarray:
        """The residual maps of one image, float32 [levels, h, w].

        Raises:
            ValueError: If there is no such image.
        """
        return self.levels[self.image_ids.index(image_id)]

    def fuse(self, fusion: str) -> np.ndarray:
        """Fuse the levels to one map an image, float32 [images, h, w].

        Args:
            fusion: A key of :data:`reb_pipeline.reconstruction.fusion.FUSIONS`.
        """
        return fuse_residuals(list(self.levels.swapaxes(0, 1)), fusion)

    def score(self, fusion: str, scoring: ImageScoreSettings) -> Detection:
        """Score patches by the fused residuals of all levels, and images by their patches.

        Args:
            fusion: A key of :data:`reb_pipeline.reconstruction.fusion.FUSIONS`.
            scoring: The image score.

        Raises:
            InputError: If the image score compares neighbours.
        """
        return Detection.of_patches(self.image_ids, self.fuse(fusion), scoring)

    def check_decoder(self, decoder_fingerprint: str) -> None:
        """Check that a decoder made these maps.

        Args:
            decoder_fingerprint: Hash of its weights.

        Raises:
            InputError: If it was another one.
        """
        if decoder_fingerprint != self.decoder_fingerprint:
            msg = (
                "The residual maps of test images and of held-out good ones are of different decoders: run the "
                "pipeline feature_reconstruction again."
            )
            raise InputError(msg)


class Reconstructor(Protocol):
    """Measures residuals, see :class:`reb_pipeline.reconstruction.features.FeatureReconstructor`."""

    def residuals(self, levels: list[np.ndarray]) -> list[np.ndarray]:
        """float32 [batch, h, w, channels] a level, finest first, to float32 [batch, h, w] a level."""


def measure_residuals(
    levels: Iterable[tuple[str, list[np.ndarray]]],
    reconstructor: Reconstructor,
    decoder_fingerprint: str,
    batch_size: int,
) -> ResidualMaps:
    """Reconstruct the features of images, and upsample the residuals of each level bilinearly to the finest grid.

    Args:
        levels: (id, float32 [h, w, channels] a level, finest first) of each image, made lazily.
        reconstructor: Measures the residuals.
        decoder_fingerprint: Hash of its weights.
        batch_size: Images at a time.

    Raises:
        InputError: If there are no images.
    """
    image_ids: list[str] = []
    maps: list[np.ndarray] = []
    remaining = iter(levels)
    while batch := list(islice(remaining, batch_size)):
        image_ids += [image_id for image_id, _ in batch]
        by_level = [np.stack(level) for level in zip(*(grids for _, grids in batch), strict=True)]
        maps += _on_finest_grid(reconstructor.residuals(by_level))
    if not maps:
        msg = "There are no images to reconstruct: check the splits of the samples."
        raise InputError(msg)
    return ResidualMaps(np.stack(maps), image_ids, decoder_fingerprint)


def _on_finest_grid(residuals: list[np.ndarray]) -> Iterator[np.ndarray]:
    """float32 [levels, h, w] of each image of a batch."""
    shape = residuals[0].shape[1:]
    for of_image in zip(*residuals, strict=True):
        yield np.stack([resize_map(level, shape) for level in of_image])
