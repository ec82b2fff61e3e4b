"""Patch features of images: resize, then the network, whole or in tiles."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.backbones import backbone_spec, load_backbone, load_deepest
from reb_pipeline.features.engines import TorchEngine, build_engine
from reb_pipeline.features.neck import NECKS
from reb_pipeline.features.network import PixelNetwork, patch_head, pooled_head
from reb_pipeline.features.tiles import Tiles, coarsest_stride
from reb_pipeline.images.resize import resize_image


class PatchExtractor:
    """Turns images into grids of patch features.

    Args:
        backbone: Name of the backbone, see :func:`reb_pipeline.features.backbones.load_backbone`.
        image_size: Side in pixels that every image is resized to, without crop (the reference's 256).
        layers: Layers to tap, finest first; the backbone's usual ones if None.
        weights: ``"imagenet"``, the path of a state dict, or a state dict.
        neck: A key of :data:`reb_pipeline.features.neck.NECKS`.
        width: Feature width of the reference neck; the backbone's usual one if None.
        engine: One of :data:`reb_pipeline.features.engines.ENGINES`.
        tile_size: Side in pixels of the pieces that the network sees of a larger image; None shows it whole.
        tile_overlap: Pixels that neighbouring pieces share.
        device: Of the engine ``torch``, see :func:`reb_pipeline.core.device.torch_device`.

    Attributes:
        network: From uint8 [batch, side, side, 3] to patch features.
        network_size: That side in pixels, of the image or of a tile.
        tiles: How an image is cut into tiles; None where the network sees it whole.

    Raises:
        InputError: If backbone, layers, weights, neck, engine, tiles or device cannot be used.
    """

    def __init__(
        self,
        backbone: str,
        *,
        image_size: int = 256,
        layers: Sequence[str | int] | None = None,
        weights: str | Mapping[str, torch.Tensor] = "imagenet",
        neck: str = "reference",
        width: int | None = None,
        engine: str = "torch",
        tile_size: int | None = None,
        tile_overlap: int = 64,
        device: str = "auto",
    ) -> None:
        if neck not in NECKS:
            msg = f"Neck {neck!r} is unknown: set features.neck to one of {', '.join(NECKS)}."
            raise InputError(msg)
        seen = self.network_size = min(tile_size or image_size, image_size)
        loaded = load_backbone(backbone, image_size=seen, layers=layers, weights=weights)
        self._image_size = image_size
        self.tiles: Tiles | None = None
        if tile_size and seen < image_size:
            stride = coarsest_stride(loaded, seen)
            self.tiles = Tiles(image_size, tile_size, tile_overlap, stride)
        head = patch_head(neck, width or backbone_spec(backbone).width)
        self.network = PixelNetwork(loaded, head)
        self._engine = build_engine(engine, self.network, seen, device)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), h, w, channels]; h and w are those of the finest tapped layer.
        """
        pixels = _resized(images, self._image_size)
        return self.tiles.features(self._engine, pixels) if self.tiles else self._engine(pixels)


def extract_patches(
    extractor: PatchExtractor, images: Iterable[tuple[str, np.ndarray]], batch_size: int = 16
) -> Iterator[tuple[str, np.ndarray]]:
    """Stream images through an extractor.

    Args:
        extractor: The extractor.
        images: (id, uint8 [height, width, 3] RGB) each, opened lazily.
        batch_size: Images per forward pass.

    Yields:
        (id, float32 [h, w, channels]) in the order given.

    Raises:
        InputError: If a feature is not finite.
    """
    remaining = iter(images)
    while batch := list(islice(remaining, batch_size)):
        features = extractor([image for _, image in batch])
        for (image_id, _), grid in zip(batch, features, strict=True):
            if not np.isfinite(grid).all():
                msg = f"Image {image_id!r} gives non-finite features: check the image and the backbone's weights."
                raise InputError(msg)
            yield image_id, grid


class PooledExtractor:
    """Turns images into one feature each: the deepest layer that the weights reach, averaged over all positions.

    Args:
        backbone: As for :class:`PatchExtractor`.
        image_size: As there.
        weights: As there.
        device: As there.

    Attributes:
        network: From uint8 [batch, side, side, 3] to one feature an image.
    """

    def __init__(
        self,
        backbone: str,
        *,
        image_size: int,
        weights: str | Mapping[str, torch.Tensor],
        device: str = "auto",
    ) -> None:
        loaded = load_deepest(backbone, image_size=image_size, weights=weights)
        self._image_size = image_size
        self.network = PixelNetwork(loaded, pooled_head)
        self._engine = TorchEngine(self.network, device)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), channels].
        """
        return self._engine(_resized(images, self._image_size))


def _resized(images: Sequence[np.ndarray], side: int) -> np.ndarray:
    return np.stack([resize_image(image, side) for image in images])
