"""Features of images, computed once and stored under a hash of image, weights and extractor."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from reb_pipeline.core.content_cache import UNREADABLE, Cache, entry, library_versions
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import read_state
from reb_pipeline.detectors.sources.encoder import Encoder, Layers
from reb_pipeline.detectors.sources.images import RoundedFeatures, SourceImage, rounded
from reb_pipeline.images.copies import Copy
from reb_pipeline.images.resize import resize_image


class CachedFeatures:
    """Cached features of images by one network; see :class:`reb_pipeline.detectors.interface.FeatureSource`.

    Patch and pooled features are stored in half precision. They are rounded before their first use as well, so that
    results do not depend on the state of the cache. Levels and pixels are not cached.

    Args:
        images: The images; an image without a digest is opened to compute one.
        encoder: The network.
        cache: The cache.
        description: Label of the progress bars; None shows no bars.
    """

    def __init__(
        self,
        images: Sequence[SourceImage],
        encoder: Encoder,
        cache: Cache,
        description: str | None = None,
    ) -> None:
        self.images = [image if image.digest else _with_digest(image) for image in images]
        self.image_ids = [image.id for image in images]
        self.encoder = encoder
        self._cache = cache
        self._description = description

    @property
    def layers(self) -> list[str | int]:
        """Tapped layers, finest first."""
        return self.encoder.layers

    @property
    def provenance(self) -> dict[str, Any]:
        """Everything besides the image that determines its features, as JSON values."""
        return self._decided_by(self.encoder.provenance)

    def content(self) -> dict[str, Any]:
        """List everything that determines the features of all these images, as JSON values."""
        return {**self.provenance, "images": [image.digest for image in self.images]}

    def patches(self, layers: Layers = None) -> Iterator[tuple[str, np.ndarray]]:
        """Stream patch features: (id, float32 [h, w, channels]).

        Args:
            layers: Layers to tap; None for those of the settings.
        """
        settings = self.encoder.tapping(layers).provenance(self.encoder.backbone)
        yield from self._stream("patches", settings, partial(self.encoder.patches, layers))

    def pooled(self) -> np.ndarray:
        """Average the deepest layer over all positions, float32 [images, channels]."""
        of_patches = dict.fromkeys(("layers", "neck", "width", "unit_length"))
        settings = {**self.encoder.provenance, **of_patches}
        streamed = self._stream("pooled", settings, self.encoder.pooled)
        return np.stack([features for _, features in streamed])

    def levels(self, layers: Layers = None) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers without a neck: (id, float32 [h, w, channels] per layer)."""
        return self.fresh().levels(layers)

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images as squares: (id, uint8 [side, side, 3])."""
        return ((image.id, resize_image(image.open(), side)) for image in self.images)

    def take(self, order: Sequence[int]) -> "CachedFeatures":
        """Select some of the images, in the given order."""
        images = [self.images[n] for n in order]
        return CachedFeatures(images, self.encoder, self._cache, self._description)

    def changed(self, name: str, change: Callable[[np.ndarray], np.ndarray]) -> "CachedFeatures":
        """Return the images with changed pixels, see :meth:`SourceImage.changed`."""
        images = [image.changed(name, change) for image in self.images]
        return CachedFeatures(images, self.encoder, self._cache, self._description)

    def copied(self, copy: Copy) -> "CachedFeatures":
        """Return copies of the images, without a progress bar."""
        return CachedFeatures(
            [image.copied(copy) for image in self.images], self.encoder, self._cache
        )

    def fresh(self) -> RoundedFeatures:
        """Return a source of the same features without the cache."""
        return RoundedFeatures(self.images, self.encoder, self._description)

    def opened(self, n_images: int) -> RoundedFeatures:
        """Open the first images and return a source of their features, without a progress bar."""
        opened = [SourceImage.of_array(image.id, image.open()) for image in self.images[:n_images]]
        return RoundedFeatures(opened, self.encoder)

    def _stream(
        self,
        kind: str,
        settings: dict[str, Any],
        open_network: Callable[[], Callable[[list[np.ndarray]], np.ndarray]],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Read features, or extract and store them, batch by batch."""
        folder = entry("features", kind=kind, **self._decided_by(settings))
        size = self.encoder.settings.images_at_once
        missing = [one for one in self.images if f"{folder}/{one.digest}.npy" not in self._cache]
        label = self._description if missing else None  # reading is quick
        network = open_network() if missing else None
        for start in progress(range(0, len(self.images), size), label):
            batch = self.images[start : start + size]
            names = [f"{folder}/{image.digest}.npy" for image in batch]
            kept = [_unpacked(self._cache.get(name)) for name in names]
            if any(one is None for one in kept):
                network = network or open_network()  # an entry is damaged, or was deleted meanwhile
                packed = [_packed(one) for one in network([image.open() for image in batch])]
                self._cache.update(zip(names, packed, strict=True))
                kept = [np.load(io.BytesIO(data)) for data in packed]
            for image, features in zip(batch, kept, strict=True):
                yield image.id, np.asarray(features, np.float32)

    def _decided_by(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Add the version of the engine to settings, if the engine is not PyTorch."""
        engine: str = self.encoder.provenance["engine"]
        if engine == "torch":
            return settings
        return {**settings, **library_versions(engine.removesuffix("_bf16"))}


class CachedCheckpoint:
    """Cached checkpoint of a training, see :class:`reb_pipeline.core.resumable_training.Checkpoint`.

    Args:
        cache: The cache.
        name: Name of the entry for the result of the training.
    """

    def __init__(self, cache: Cache, name: str) -> None:
        self._cache = cache
        self._name = f"{name}.checkpoint"

    def read(self) -> dict[str, Any] | None:
        """Read the last state that was written; None if there is none, or it is damaged."""
        data = self._cache.get(self._name)
        return None if data is None else read_state(data, self._name)

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        import torch

        data = io.BytesIO()
        torch.save(state, data)
        self._cache[self._name] = data.getvalue()


def _with_digest(image: SourceImage) -> SourceImage:
    return replace(image, digest=SourceImage.of_array(image.id, image.open()).digest)


def _unpacked(data: bytes | None) -> np.ndarray | None:
    """Decode a .npy file; None if it is missing, cut off or damaged."""
    if data is None:
        return None
    try:
        features: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    except UNREADABLE:
        return None
    return features


def _packed(features: np.ndarray) -> bytes:
    """Encode features as a .npy file, in half precision if possible."""
    data = io.BytesIO()
    np.save(data, rounded(features))
    return data.getvalue()
