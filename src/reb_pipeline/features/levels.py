"""Features of several layers of a network, each on its own grid, for feature reconstruction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.features.backbones import backbone_spec, load_backbone
from reb_pipeline.features.batches import batches
from reb_pipeline.features.engines import TorchEngine
from reb_pipeline.features.network import PixelNetwork
from reb_pipeline.images.empty_field import EmptyField
from reb_pipeline.images.even_light import AS_IS
from reb_pipeline.images.region import resized


class LevelExtractor:
    """Extractor of the feature maps of several layers (levels), without a neck, in one pass.

    Args:
        backbone: Name of the backbone, see :func:`reb_pipeline.features.backbones.load_backbone`.
        image_size: Side, or height and width, in pixels that every image is resized to.
        layers: Layers to tap, finest first; None for the backbone's default levels.
        weights: ``"imagenet"``, the path of a state dict, or a state dict.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        light: See :func:`reb_pipeline.images.even_light.evened`.
        shading: Light over the field of view that images are corrected by; None for none.

    Attributes:
        network: Network from uint8 [batch, height, width, 3] to all levels in one vector, float32 [batch, features].
        shapes: (height, width, channels) of every level.

    Raises:
        InputError: If backbone, layers, weights or device cannot be used, or a layer is finer than the previous one.
    """

    def __init__(
        self,
        backbone: str,
        *,
        image_size: Size,
        layers: Sequence[str | int] | None = None,
        weights: str | Mapping[str, torch.Tensor] = "imagenet",
        device: str = "auto",
        light: str = AS_IS,
        shading: EmptyField | None = None,
    ) -> None:
        self._light, self._shading = light, shading
        taps = list(layers or backbone_spec(backbone).levels)
        loaded = load_backbone(backbone, image_size=image_size, layers=taps, weights=weights)
        with torch.inference_mode():
            maps = loaded(torch.zeros(1, 3, *shape_of(image_size)))
        self.shapes = [tuple(m.permute(0, 2, 3, 1).shape[1:]) for m in maps]
        if any(finer[0] < coarser[0] for finer, coarser in pairwise(self.shapes)):
            grids = ", ".join(f"{height} x {width}" for height, width, _ in self.shapes)
            msg = (
                f"The grids of layers {taps}, {grids}, become finer: name the layers finest first."
            )
            raise InputError(msg)
        self._image_size = image_size
        self.network = PixelNetwork(loaded, _side_by_side)
        self._engine = TorchEngine(self.network, device)

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), h, w, channels] of every level, finest first.
        """
        seen = [
            resized(image, self._image_size, None, self._light, self._shading) for image in images
        ]
        features = self._engine(np.stack(seen))
        ends = np.cumsum([np.prod(shape) for shape in self.shapes])
        parts = np.split(features, ends[:-1], axis=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)]


def extract_levels(
    extractor: LevelExtractor, images: Iterable[tuple[str, np.ndarray]], batch_size: int = 16
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Stream images through an extractor.

    Args:
        extractor: The extractor.
        images: (id, uint8 [height, width, 3] RGB) of each image, opened when it is needed.
        batch_size: Images per forward pass, see :func:`reb_pipeline.features.batches.batches`.

    Yields:
        (id, float32 [h, w, channels] of every level, finest first) of each image, in the same order.

    Raises:
        InputError: If a feature is not finite.
    """
    for batch in batches(images, batch_size):
        features = extractor([image for _, image in batch])
        for (image_id, _), *levels in zip(batch, *features, strict=True):
            if not all(np.isfinite(level).all() for level in levels):
                msg = f"Image {image_id!r} gives non-finite features: check the image and the backbone's weights."
                raise InputError(msg)
            yield image_id, levels


def _side_by_side(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Join all levels in one array, as engines return one array: float32 [batch, sum of h · w · channels]."""
    return torch.cat([m.permute(0, 2, 3, 1).flatten(1) for m in maps], dim=1)
