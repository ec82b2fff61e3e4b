"""Features of images, extracted anew at every call."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, Self, TypeVar

import numpy as np

from reb_pipeline.core.progress import progress
from reb_pipeline.detectors.sources.encoder import Encoder, Layers
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import Samples
from reb_pipeline.memory_bank.bank import MemoryBank
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_images

ARRAY = ".npy"
T = TypeVar("T")


@dataclass(frozen=True)
class SourceImage:
    """One image of a source.

    Attributes:
        id: Its id.
        open: Opens it, uint8 [height, width, 3] RGB.
        digest: Hash of its content; empty where nobody asks for it.
    """

    id: str
    open: Callable[[], np.ndarray]
    digest: str = ""

    @classmethod
    def of_array(cls, image_id: str, image: np.ndarray) -> "SourceImage":
        """An image that is in memory, uint8 [height, width, 3] RGB."""
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).hexdigest()
        return cls(image_id, lambda: image, digest)

    @classmethod
    def of_samples(cls, samples: Samples) -> "list[SourceImage]":
        """Images of samples; the digest is the hash of the file where the samples have it."""
        table = samples.table
        digests = table["sha256"] if "sha256" in table else [""] * len(table)
        rows = zip(table["id"], table["path"], digests, strict=True)
        return [
            cls(image_id, partial(samples.images.open_image, path), digest)
            for image_id, path, digest in rows
        ]


@dataclass(frozen=True)
class SamplePixels:
    """Images of samples; see :class:`reb_pipeline.detectors.interface.PixelSource`.

    Attributes:
        samples: The samples.
        description: Label of the progress bar after the name of the category; no bar without it.
    """

    samples: Samples
    description: str | None = None

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images."""
        return self.samples.ids

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images as squares."""
        for image_id, image in self.samples.stream(self.description):
            yield image_id, resize_image(image, side)


class ImageFeatures:
    """Features of images that are kept nowhere; see :class:`reb_pipeline.detectors.interface.FeatureSource`.

    Networks are opened at their first use and stay.

    Args:
        images: The images.
        encoder: The network.
        description: Label of the progress bar of patch and pooled features; a training has a bar of its own.
    """

    def __init__(
        self, images: Sequence[SourceImage], encoder: Encoder, description: str | None = None
    ) -> None:
        self.images = list(images)
        self.image_ids = [image.id for image in images]
        self.encoder = encoder
        self.description = description
        self._networks: dict[Any, Any] = {}
        self._openings: list[float] = []  # seconds

    @classmethod
    def of_samples(cls, samples: Samples, encoder: Encoder, description: str | None = None) -> Self:
        """Features of samples, behind a progress bar that names their category where there is a description."""
        images = SourceImage.of_samples(samples)
        return cls(images, encoder, description and f"{samples.category}: {description}")

    @classmethod
    def of_arrays(cls, arrays: Iterable[np.ndarray], encoder: Encoder) -> Self:
        """Features of images in memory, uint8 [height, width, 3] RGB each; their ids are 0, 1, 2, …."""
        images = [SourceImage.of_array(f"{n}", array) for n, array in enumerate(arrays)]
        return cls(images, encoder)

    @classmethod
    def of_folder(cls, folder: str, encoder: Encoder) -> Self:
        """Features of the images below a folder; their ids are their paths below it.

        Args:
            folder: Path or URL of image files, or of ``.npy`` files of uint8 [height, width, 3] RGB.
            encoder: The network.

        Raises:
            InputError: If the folder is missing or holds no image.
        """
        from reb_pipeline.images.decoding import read_image
        from reb_pipeline.images.folder import IMAGE_SUFFIXES, list_images

        filesystem, paths = list_images(folder, {*IMAGE_SUFFIXES, ARRAY})

        def read(path: str) -> np.ndarray:
            data = filesystem.cat_file(path)
            if path.lower().endswith(ARRAY):
                return np.load(io.BytesIO(data), allow_pickle=False)
            return read_image(data, path)

        return cls([SourceImage(path, partial(read, path)) for path in paths], encoder)

    @property
    def layers(self) -> list[str | int]:
        """The layers tapped, finest first."""
        return self.encoder.layers

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

        images = self._opened_images(self.description)
        return extract_patches(self._network("patches", layers), images, self._batch_size)

    def search(self, bank: MemoryBank, n_neighbors: int = 1, device: str = "cpu") -> NearestPatches:
        """Find the nearest rows of a memory bank for every patch.

        Args:
            bank: The rows to compare with, see :meth:`reb_pipeline.memory_bank.bank.Coreset.of`.
            n_neighbors: Number of rows to find for each patch.
            device: See :class:`reb_pipeline.search.index.NeighborIndex`.

        Raises:
            InputError: If the bank was made by another extractor, there are no images, or too few rows.
        """
        bank.check_extractor(self.encoder.provenance)
        return search_images(self.patches(), bank, n_neighbors, device)

    def levels(self, layers: Layers = None) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers as the network gives them."""
        from reb_pipeline.features.levels import extract_levels

        images = self._opened_images(self.description)
        return extract_levels(self._network("levels", layers), images, self._batch_size)

    def pooled(self) -> np.ndarray:
        """The deepest layer averaged over all positions, float32 [images, channels]."""
        extractor = self._network("pooled")
        images = (image for _, image in self._opened_images(self.description))
        batches = []
        while batch := list(islice(images, self._batch_size)):
            batches.append(extractor(batch))
        return np.concatenate(batches)

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images as squares."""
        images = self._opened_images(self.description)
        return ((image_id, resize_image(image, side)) for image_id, image in images)

    def take(self, order: Sequence[int]) -> Self:
        """Some of the images, in another order; the networks stay the same."""
        part = copy(self)
        part.images = [self.images[n] for n in order]
        part.image_ids = [image.id for image in part.images]
        return part

    def timed(self, work: Callable[[Self], T]) -> tuple[T, float]:
        """Do something with these features.

        Returns:
            What it gave, and the seconds that it took, the opening of images apart.
        """
        self._openings.clear()
        start = perf_counter()
        made = work(self)
        return made, perf_counter() - start - sum(self._openings)

    @property
    def _batch_size(self) -> int:
        return self.encoder.settings.batch_size

    def _network(self, kind: str, layers: Layers = None) -> Any:
        """The network of a kind, which is a method of the encoder."""
        key = kind, tuple(layers or ())
        if key not in self._networks:
            self._networks[key] = getattr(self.encoder, kind)(layers)
        return self._networks[key]

    def _opened_images(self, description: str | None) -> Iterator[tuple[str, np.ndarray]]:
        for image in progress(self.images, description):
            start = perf_counter()
            pixels = image.open()
            self._openings.append(perf_counter() - start)
            yield image.id, pixels


class RoundedFeatures(ImageFeatures):
    """Features of images, patch and pooled features rounded to half precision as a study keeps them.

    So it never matters whether a detector was fitted on kept features or on fresh ones.
    """

    def patches(self, layers: Layers = None) -> Iterator[tuple[str, np.ndarray]]:
        """Stream patch features."""
        for image_id, grid in super().patches(layers):
            yield image_id, rounded(grid).astype(np.float32)

    def pooled(self) -> np.ndarray:
        """The deepest layer averaged over all positions, float32 [images, channels]."""
        return rounded(super().pooled()).astype(np.float32)


def rounded(features: np.ndarray) -> np.ndarray:
    """Round features to half precision; they stay in single precision where one is too large for half."""
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    return half if np.isfinite(half).all() else features
