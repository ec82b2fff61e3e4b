"""Features made anew at every call, to take times."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from reb_pipeline.core.progress import progress
from reb_pipeline.detectors.sources.encoder import Encoder, Layers, Picture
from reb_pipeline.images.resize import resize_image

T = TypeVar("T")


class FreshFeatures:
    """Features of some pictures that are kept nowhere; see :class:`reb_pipeline.detectors.interface.FeatureSource`.

    Networks are opened at their first use and stay. Patch features are rounded to half precision like those that a
    study keeps, so that it never matters which a detector was fitted on.

    Args:
        pictures: The pictures.
        encoder: The network.
        description: Label of the progress bar of patch and pooled features; a training has a bar of its own.
    """

    def __init__(
        self, pictures: Sequence[Picture], encoder: Encoder, description: str | None = None
    ) -> None:
        self._show(pictures)
        self._encoder = encoder
        self._description = description
        self._networks: dict[Any, Any] = {}
        self._openings: list[float] = []  # seconds

    @property
    def layers(self) -> list[str | int]:
        """The layers tapped, finest first."""
        return self._encoder.layers

    @property
    def encoder_bytes(self) -> int:
        """Bytes of the weights in use; networks that end at several layers have the shallower ones in common."""
        sizes = [
            sum(tensor.nbytes for tensor in extractor.network.state_dict().values())
            for extractor in self._networks.values()
        ]
        return max(sizes, default=0)

    def patches(self, layers: Layers = None) -> Iterator[tuple[str, np.ndarray]]:
        """Stream patch features."""
        from reb_pipeline.features.extractor import extract_patches

        extractor = self._opened("patches", layers)
        images = self._images(self._description)
        for image_id, grid in extract_patches(extractor, images, self._batch_size):
            yield image_id, rounded(grid).astype(np.float32)

    def levels(self, layers: Layers = None) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers as the network gives them."""
        from reb_pipeline.features.levels import extract_levels

        return extract_levels(self._opened("levels", layers), self._images(), self._batch_size)

    def pooled(self) -> np.ndarray:
        """The deepest layer averaged over all positions, float32 [images, channels]."""
        extractor = self._opened("pooled")
        images = (image for _, image in self._images(self._description))
        batches = []
        while batch := list(islice(images, self._batch_size)):
            batches.append(extractor(batch))
        return rounded(np.concatenate(batches)).astype(np.float32)

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images as squares."""
        return ((image_id, resize_image(image, side)) for image_id, image in self._images())

    def take(self, order: Sequence[int]) -> "FreshFeatures":
        """Some of the images, in another order; the networks stay the same."""
        part = copy(self)
        part._show([self._pictures[n] for n in order])
        return part

    def timed(self, work: Callable[["FreshFeatures"], T]) -> tuple[T, float]:
        """Do something with these features.

        Returns:
            What it gave, and the seconds that it took, the opening of images apart.
        """
        self._openings.clear()
        start = perf_counter()
        made = work(self)
        return made, perf_counter() - start - sum(self._openings)

    def _show(self, pictures: Sequence[Picture]) -> None:
        self._pictures = list(pictures)
        self.image_ids = [picture.id for picture in pictures]

    @property
    def _batch_size(self) -> int:
        return self._encoder.params.batch_size

    def _opened(self, kind: str, layers: Layers = None) -> Any:
        """The network of a kind, which is a method of the encoder."""
        key = kind, tuple(layers or ())
        if key not in self._networks:
            self._networks[key] = getattr(self._encoder, kind)(layers)
        return self._networks[key]

    def _images(self, description: str | None = None) -> Iterator[tuple[str, np.ndarray]]:
        for picture in progress(self._pictures, description):
            start = perf_counter()
            image = picture.open()
            self._openings.append(perf_counter() - start)
            yield picture.id, image


def rounded(features: np.ndarray) -> np.ndarray:
    """Features as a study keeps them: in half precision, or in single where one is too large for half."""
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    return half if np.isfinite(half).all() else features
