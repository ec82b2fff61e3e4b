"""Features of images, computed once and kept by content: image, weights and extractor."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.parameters import FeatureParams
from reb_pipeline.progress import progress
from reb_pipeline.studies.cache import Cache, entry

if TYPE_CHECKING:
    from reb_pipeline.features.extractor import PatchExtractor, PooledExtractor

POOLED = "pooled"  # the deepest layer, averaged over all positions


@dataclass(frozen=True)
class Picture:
    """One image and what tells its content from that of others.

    Attributes:
        id: Its id.
        digest: Hash of its content.
        open: Opens it, uint8 [height, width, 3].
    """

    id: str
    digest: str
    open: Callable[[], np.ndarray]


def picture_of(image_id: str, image: np.ndarray) -> Picture:
    """A picture that is in memory."""
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).hexdigest()
    return Picture(image_id, digest, lambda: image)


class CachedFeatures:
    """Patch features of some pictures under one network; see :class:`reb_pipeline.detectors.interface.FeatureSource`.

    They are kept in half precision, and rounded to it before their first use too, so that it never matters whether they
    came from the cache.

    Args:
        pictures: The pictures.
        params: Settings of the extractor.
        backbone: Its weights.
        cache: Where features are kept.
        device: See :func:`reb_pipeline.device.torch_device`.
        description: Label of the progress bar.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        params: FeatureParams,
        backbone: BackboneWeights,
        cache: Cache,
        device: str,
        description: str,
    ) -> None:
        self.image_ids = [picture.id for picture in pictures]
        self.pictures = list(pictures)
        self.params = params
        self._backbone = backbone
        self._cache = cache
        self._device = device
        self._description = description

    @property
    def layers(self) -> list[str | int]:
        """The layers tapped, finest first."""
        from reb_pipeline.features.backbones import backbone_spec

        return list(self.params.layers or backbone_spec(self.params.backbone).layers)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What decides the features, as JSON values."""
        return self.params.provenance(self._backbone)

    def content(self) -> dict[str, Any]:
        """What decides all features of these pictures, as JSON values."""
        return {**self.provenance, "images": [picture.digest for picture in self.pictures]}

    def patches(
        self, layers: Sequence[str | int] | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the patch features of each picture: (id, float32 [h, w, channels]).

        Args:
            layers: Layers to tap; those of the parameters without it.
        """
        params = self.params.model_copy(update={"layers": list(layers)}) if layers else self.params
        settings = {**params.provenance(self._backbone), "kind": "patches"}
        yield from self._stream(settings, partial(self.extractor, params))

    def pooled(self) -> np.ndarray:
        """Deepest layer averaged over all positions, float32 [images, channels]."""
        settings = {**self.provenance, "layers": None, "neck": None, "width": None, "kind": POOLED}
        return np.stack([features for _, features in self._stream(settings, self._deepest)])

    def extractor(self, params: FeatureParams | None = None) -> "PatchExtractor":
        """The network itself."""
        from reb_pipeline.features.extractor import PatchExtractor

        return PatchExtractor(
            **(params or self.params).extractor_settings(self._backbone), device=self._device
        )

    def _deepest(self) -> "PooledExtractor":
        from reb_pipeline.features.extractor import PooledExtractor

        return PooledExtractor(
            self.params.backbone,
            image_size=self.params.image_size,
            weights=self._backbone.state,
            device=self._device,
        )

    def _stream(
        self,
        settings: dict[str, Any],
        open_network: Callable[[], Callable[[list[np.ndarray]], np.ndarray]],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Read features, or extract and keep them, a batch at a time."""
        folder = entry("features", **settings)
        size = self.params.batch_size
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
    """A .npy file of half precision, or of single where a feature is too large for half."""
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    data = io.BytesIO()
    np.save(data, half if np.isfinite(half).all() else features)
    return data.getvalue()
