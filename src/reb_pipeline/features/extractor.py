"""Patch features of images: resizing, then the network on the whole image or on tiles."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.memory import check_images_fit
from reb_pipeline.core.sizes import Size
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.backbones import (
    backbone_spec,
    compares_directions,
    load_backbone,
    load_deepest,
)
from reb_pipeline.features.batches import batches
from reb_pipeline.features.engines import TorchEngine, build_engine
from reb_pipeline.features.network import PixelNetwork, patch_head, pooled_head
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.features.tiles import Tiles, coarsest_stride
from reb_pipeline.images.empty_field import EmptyField
from reb_pipeline.images.even_light import AS_IS
from reb_pipeline.images.region import resized


class PatchExtractor:
    """Extractor of grids of patch features from images.

    Args:
        settings: Settings of the extraction.
        backbone: The category's weights; None for the weights named in the settings.
        device: Device of the engine ``torch``, see :func:`reb_pipeline.core.device.torch_device`.

    Attributes:
        network: Network from uint8 [batch, height, width, 3] to patch features.
        network_size: Side, or height and width, in pixels, of the image or of a tile.
        tiles: Tiles that an image is cut into; None if the network gets the whole image.

    Raises:
        InputError: If backbone, layers, weights, tiles or device cannot be used, a batch of images does not fit into
            the memory, or the category's weights were made from other initial weights.
    """

    def __init__(
        self,
        settings: FeatureSettings,
        backbone: BackboneWeights | None = None,
        device: str = "auto",
    ) -> None:
        weights: str | Mapping[str, torch.Tensor] = settings.weights
        if backbone is not None:
            backbone.check_origin(settings.backbone, settings.weights)
            weights = backbone.state
        size = self.network_size = settings.network_size
        if torch_device(device).type == "cpu":
            names = "features.tile_size" if settings.tile_size else "features.image_size"
            check_images_fit(settings.batch_size, size, f"{names} or features.batch_size")
        loaded = load_backbone(
            settings.backbone, image_size=size, layers=settings.layers, weights=weights
        )
        self._image_size = settings.image_size
        self._batch_size = settings.batch_size
        self._light, self._shading = settings.light, settings.shading
        region = settings.looked_at
        self._region = None if region is None else region.scaled(settings.image_size)
        self.tiles: Tiles | None = None
        if settings.tile_size and size != settings.image_size:
            stride = coarsest_stride(loaded, size)
            self.tiles = Tiles(
                settings.image_size, settings.tile_size, settings.tile_overlap, stride
            )
        width = settings.width or backbone_spec(settings.backbone).width
        unit_length = compares_directions(settings.backbone, settings.unit_length)
        self.network = PixelNetwork(
            loaded, patch_head(settings.neck, width, unit_length=unit_length)
        )
        self._engine = build_engine(settings.engine, self.network, size, device)

    @property
    def engine(self) -> str:
        """Name of the engine that computes the network, for ``auto`` the chosen one."""
        return self._engine.name

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), h, w, channels], on the grid of the finest tapped layer.

        Raises:
            InputError: If the region of interest was drawn on images of another aspect.
        """
        pixels = [
            resized(image, self._image_size, self._region, self._light, self._shading)
            for image in images
        ]
        if self.tiles is None:
            return self._engine(np.stack(pixels))
        of_each = [self.tiles.features(self._engine, one, self._batch_size) for one in pixels]
        return np.stack(of_each) if len(of_each) > 1 else of_each[0][None]


def extract_patches(
    extractor: PatchExtractor, images: Iterable[tuple[str, np.ndarray]], batch_size: int = 16
) -> Iterator[tuple[str, np.ndarray]]:
    """Stream images through an extractor.

    Args:
        extractor: The extractor.
        images: (id, uint8 [height, width, 3] RGB) of each image, opened when it is needed.
        batch_size: Images per forward pass, see :func:`reb_pipeline.features.batches.batches`.

    Yields:
        (id, float32 [h, w, channels]) of each image, in the same order.

    Raises:
        InputError: If a feature is not finite.
    """
    for batch in batches(images, batch_size):
        features = extractor([image for _, image in batch])
        for (image_id, _), grid in zip(batch, features, strict=True):
            if not np.isfinite(grid).all():
                msg = f"Image {image_id!r} gives non-finite features: check the image and the backbone's weights."
                raise InputError(msg)
            yield image_id, grid


class PooledExtractor:
    """Extractor of one feature per image: the deepest layer that the weights cover, averaged over all positions.

    Args:
        backbone: Name of the backbone, see :func:`reb_pipeline.features.backbones.load_deepest`.
        image_size: Side, or height and width, in pixels that every image is resized to.
        weights: Weights, see :func:`reb_pipeline.features.backbones.load_deepest`.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        light: See :func:`reb_pipeline.images.even_light.evened`.
        shading: Light over the field of view that images are corrected by; None for none.

    Attributes:
        network: Network from uint8 [batch, height, width, 3] to float32 [batch, 1, 1, channels].
        network_size: Side, or height and width, in pixels.
    """

    def __init__(
        self,
        backbone: str,
        *,
        image_size: Size,
        weights: str | Mapping[str, torch.Tensor],
        device: str = "auto",
        light: str = AS_IS,
        shading: EmptyField | None = None,
    ) -> None:
        self._light, self._shading = light, shading
        loaded = load_deepest(backbone, image_size=image_size, weights=weights)
        self.network_size = image_size
        self.network = PixelNetwork(loaded, pooled_head)
        self._engine = TorchEngine(self.network, device)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), channels].
        """
        seen = [
            resized(image, self.network_size, None, self._light, self._shading) for image in images
        ]
        features: np.ndarray = self._engine(np.stack(seen))
        return features[:, 0, 0]
