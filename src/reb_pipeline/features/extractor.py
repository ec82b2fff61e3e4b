"""Patch features of images: resize, normalise, backbone, neck."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch

from reb_pipeline.errors import InputError
from reb_pipeline.features.backbones import Backbone, backbone_spec, load_backbone, load_deepest
from reb_pipeline.features.neck import NECKS
from reb_pipeline.features.resize import resize_image


class _NormalizedImages:
    """A backbone that takes images as they are: resized and normalised as its network expects, on the best device."""

    def __init__(self, backbone: Backbone, image_size: int) -> None:
        self._image_size = image_size
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._backbone = backbone.to(self._device)
        self._backbone.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(backbone.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(backbone.std, device=self._device).view(1, 3, 1, 1)

    def maps(self, images: Sequence[np.ndarray]) -> list[torch.Tensor]:
        resized = np.stack([resize_image(image, self._image_size) for image in images])
        batch = torch.from_numpy(resized).to(self._device).permute(0, 3, 1, 2).float().div_(255)
        tapped: list[torch.Tensor] = self._backbone((batch - self._mean) / self._std)
        return tapped


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
        self._neck = NECKS[neck]
        self._width = width or backbone_spec(backbone).width
        self._images = _NormalizedImages(
            load_backbone(backbone, image_size=image_size, layers=layers, weights=weights),
            image_size,
        )

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), h, w, channels]; h and w are those of the finest tapped layer.
        """
        with torch.inference_mode():
            features = self._neck(self._images.maps(images), self._width)
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


class PooledExtractor:
    """Turns images into one feature each: the deepest layer that the weights reach, averaged over all positions.

    Args:
        backbone: As for :class:`PatchExtractor`.
        image_size: As there.
        weights: As there.
    """

    def __init__(
        self, backbone: str, *, image_size: int, weights: str | Mapping[str, torch.Tensor]
    ) -> None:
        self._images = _NormalizedImages(
            load_deepest(backbone, image_size=image_size, weights=weights), image_size
        )

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Extract one batch.

        Args:
            images: uint8 [height, width, 3] RGB each, of any size.

        Returns:
            float32 [len(images), channels].
        """
        with torch.inference_mode():
            (deepest,) = self._images.maps(images)
            return deepest.mean(dim=(2, 3)).cpu().numpy()
