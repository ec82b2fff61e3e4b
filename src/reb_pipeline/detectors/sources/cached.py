"""Features of images, computed once and kept by content: image, weights and extractor."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from reb_pipeline.core.content_cache import Cache, entry
from reb_pipeline.core.progress import progress
from reb_pipeline.detectors.sources.encoder import Encoder, Layers, Picture, picture_of
from reb_pipeline.detectors.sources.fresh import FreshFeatures, rounded
from reb_pipeline.images.resize import resize_image

POOLED = "pooled"  # the deepest layer, averaged over all positions


class CachedFeatures:
    """Features of some pictures under one network; see :class:`reb_pipeline.detectors.interface.FeatureSource`.

    Patch features are kept in half precision, and rounded to it before their first use too, so that it never matters
    whether they came from the cache. Levels and pixels are made anew.

    Args:
        pictures: The pictures.
        encoder: The network.
        cache: Where features are kept.
        description: Label of the progress bar.
    """

    def __init__(
        self, pictures: Sequence[Picture], encoder: Encoder, cache: Cache, description: str
    ) -> None:
        self.image_ids = [picture.id for picture in pictures]
        self.pictures = list(pictures)
        self._encoder = encoder
        self._cache = cache
        self._description = description

    @property
    def layers(self) -> list[str | int]:
        """The layers tapped, finest first."""
        return self._encoder.layers

    @property
    def provenance(self) -> dict[str, Any]:
        """What decides the features, as JSON values."""
        return self._encoder.provenance

    def content(self) -> dict[str, Any]:
        """What decides all features of these pictures, as JSON values."""
        return {**self.provenance, "images": [picture.digest for picture in self.pictures]}

    def patches(self, layers: Layers = None) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the patch features of each picture: (id, float32 [h, w, channels]).

        Args:
            layers: Layers to tap; those of the parameters without it.
        """
        params = self._encoder.tapping(layers)
        settings = {**params.provenance(self._encoder.backbone), "kind": "patches"}
        yield from self._stream(settings, partial(self._encoder.patches, layers))

    def pooled(self) -> np.ndarray:
        """Deepest layer averaged over all positions, float32 [images, channels]."""
        settings = {**self.provenance, "layers": None, "neck": None, "width": None, "kind": POOLED}
        return np.stack([one for _, one in self._stream(settings, self._encoder.pooled)])

    def levels(self, layers: Layers = None) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers as the network gives them: (id, float32 [h, w, channels] a layer)."""
        return self.fresh().levels(layers)

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the pictures as squares: (id, uint8 [side, side, 3])."""
        return ((picture.id, resize_image(picture.open(), side)) for picture in self.pictures)

    def take(self, order: Sequence[int]) -> "CachedFeatures":
        """Some of the pictures, in another order."""
        pictures = [self.pictures[n] for n in order]
        return CachedFeatures(pictures, self._encoder, self._cache, self._description)

    def fresh(self) -> FreshFeatures:
        """The same without the cache."""
        return FreshFeatures(self.pictures, self._encoder, self._description)

    def opened(self, n_pictures: int) -> FreshFeatures:
        """The first of them, opened already, without a progress bar."""
        opened = [picture_of(picture.id, picture.open()) for picture in self.pictures[:n_pictures]]
        return FreshFeatures(opened, self._encoder)

    def _stream(
        self,
        settings: dict[str, Any],
        open_network: Callable[[], Callable[[list[np.ndarray]], np.ndarray]],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Read features, or extract and keep them, a batch at a time."""
        folder = entry("features", **settings)
        size = self._encoder.params.batch_size
        missing = [p for p in self.pictures if f"{folder}/{p.digest}.npy" not in self._cache]
        label = self._description if missing else None  # reading is quick
        network = open_network() if missing else None
        for start in progress(range(0, len(self.pictures), size), label):
            batch = self.pictures[start : start + size]
            names = [f"{folder}/{picture.digest}.npy" for picture in batch]
            kept = [self._cache.get(name) for name in names]
            if network and None in kept:
                features = network([picture.open() for picture in batch])
                self._cache.update(zip(names, map(_packed, features), strict=True))
                kept = [self._cache[name] for name in names]
            for picture, data in zip(batch, kept, strict=True):
                yield picture.id, np.load(io.BytesIO(data or b"")).astype(np.float32)


class CachedCheckpoint:
    """Where an unfinished fine-tuning of a study is kept, see :class:`reb_pipeline.datasets.Checkpoint`."""

    def __init__(self, cache: Cache, name: str) -> None:
        self._cache = cache
        self._name = f"{name}.checkpoint"

    def read(self) -> dict[str, Any] | None:
        """What was written last, None if nothing was."""
        import torch

        data = self._cache.get(self._name)
        if data is None:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Replace what was written."""
        import torch

        data = io.BytesIO()
        torch.save(state, data)
        self._cache[self._name] = data.getvalue()


def _packed(features: np.ndarray) -> bytes:
    """A .npy file."""
    data = io.BytesIO()
    np.save(data, rounded(features))
    return data.getvalue()
