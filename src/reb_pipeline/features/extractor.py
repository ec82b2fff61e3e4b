"""Patch features of images: resize, normalise, backbone, neck."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch

from reb_pipeline.errors import InputError
from reb_pipeline.features.backbones import Backbone, backbone_spec, load_backbone
from reb_pipeline.features.neck import NECKS
from reb_pipeline.features.resize import resize_image


class PatchExtractor:
    """Turns images into grids of patch features.

    Args:
        backbone: Name of the backbone, see :func:`reb_pipeline.features.backbones.load_backbone`.
        image_size: Side in pixels that every image is resized to, without crop (the reference's 256).
        layers: Layers to tap, finest first; the backbone's usual ones if None.
        weights: ``"imagenet"``, the path of a state dict, or a state dict.
        neck: A key of :data:`reb_pipeline.features.neck.NECKS`.
        width: Feature width of the reference neck; the backbone's usual one if None.

    Raises:
        InputError: If backbone, layers, weights or neck cannot be used.
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
    ) -> None:
        if neck not in NECKS:
            msg = f"Neck {neck!r} is unknown: set features.neck to one of {', '.join(NECKS)}."
            raise InputError(msg)
        self.image_size = image_size
        self._neck = NECKS[neck]
        self._width = width or backbone_spec(backbone).width
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._backbone: Backbone = load_backbone(
            backbone, image_size=image_size, layers=layers, weights=weights
        ).to(self._device)
        self._backbone.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(self._backbone.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(self._backbone.std, device=self._device).view(1, 3, 1, 1)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), h, w, channels]; h and w are those of the finest tapped layer.
        """
        resized = np.stack([resize_image(image, self.image_size) for image in images])
        batch = torch.from_numpy(resized).to(self._device).permute(0, 3, 1, 2).float().div_(255)
        with torch.inference_mode():
            maps = self._backbone((batch - self._mean) / self._std)
            features = self._neck(maps, self._width)
        return features.permute(0, 2, 3, 1).contiguous().cpu().numpy()


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
