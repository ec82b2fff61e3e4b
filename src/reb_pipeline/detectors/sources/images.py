"""Features of images, extracted at every call."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy as copy_of
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, Self, TypeVar

import numpy as np

from reb_pipeline.core.progress import progress
from reb_pipeline.detectors.sources.encoder import Encoder, Layers
from reb_pipeline.features.batches import batches
from reb_pipeline.images.arrays import check_rgb, read_array
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.copies import Copy
from reb_pipeline.images.pose import Pose
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import POSED, Samples, hashes_of
from reb_pipeline.images.value_range import ValueRange
from reb_pipeline.memory_bank.bank import MemoryBank
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_images

ARRAY = ".npy"
T = TypeVar("T")


@dataclass(frozen=True)
class SourceImage:
    """One image of a source.

    Attributes:
        id: Id of the image.
        open: Function that opens the image, uint8 [height, width, 3] RGB.
        digest: Hash of the content; empty if it was not computed.
    """

    id: str
    open: Callable[[], np.ndarray]
    digest: str = ""

    @classmethod
    def of_array(cls, image_id: str, image: np.ndarray) -> "SourceImage":
        """Wrap an image in memory, uint8 [height, width, 3] RGB.

        Raises:
            InputError: If it is another array, or none.
        """
        check_rgb(image, f"Image {image_id!r}")
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).hexdigest()
        return cls(image_id, lambda: image, digest)

    @classmethod
    def of_samples(cls, samples: Samples) -> "list[SourceImage]":
        """List the images of samples.

        The digest is the column ``sha256``, if the samples have it, with what else decides the pixels.
        """
        scale, channels, digests = samples.value_range, samples.channels, hashes_of(samples.table)
        if scale and "sha256" in samples.table:  # the same file gives other pixels in another range
            digests = [f"{digest}-{scale.low:g}-{scale.high:g}" for digest in digests]
        if channels and "sha256" in samples.table:  # and of other channels
            digests = [f"{digest}-{channels.picked}" for digest in digests]
        if POSED in samples.table:  # and aligned to another golden image, too
            digests = [
                f"{digest}-{zlib.crc32(about.encode())}"
                for digest, about in zip(digests, samples.table[POSED], strict=True)
            ]
        rows = zip(samples.ids, samples.openers, digests, strict=True)
        return [cls(image_id, opener, digest) for image_id, opener, digest in rows]

    def changed(self, name: str, change: Callable[[np.ndarray], np.ndarray]) -> "SourceImage":
        """Return the image with changed pixels.

        Args:
            name: Name of the change, part of the digest.
            change: Function of an image, uint8 [height, width, 3] RGB.
        """
        digest = self.digest and f"{self.digest}-{name}"
        return replace(self, open=lambda: change(self.open()), digest=digest)

    def copied(self, copy: Copy) -> "SourceImage":
        """Return a copy of the image, in other light or turned."""
        return self.changed(copy.name, copy.of)


@dataclass(frozen=True)
class SamplePixels:
    """Images of samples; see :class:`reb_pipeline.detectors.interface.PixelSource`.

    Attributes:
        samples: The samples.
        description: Label of the progress bar after the name of the category; None shows no bar.
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
    """Features of images without a cache; see :class:`reb_pipeline.detectors.interface.FeatureSource`.

    Networks are loaded at their first use and kept in memory.

    Args:
        images: The images.
        encoder: The network.
        description: Label of the progress bar; None shows no bar.
        value_range: Range that the values of images with more than 8 bits were mapped from.
        pose: Golden image that the images were aligned to; None if they are as they were taken.
        channels: Channels that were picked from the files of the images; None for grey and RGB files.

    Example:
        >>> from reb_pipeline.features.adapted import BackboneWeights
        >>> from reb_pipeline.features.settings import FeatureSettings
        >>> weights = BackboneWeights({}, {"backbone": "resnet18", "weights": "imagenet"})  # without tensors
        >>> encoder = Encoder(FeatureSettings(backbone="resnet18"), weights)
        >>> images = ImageFeatures.of_arrays([np.zeros((48, 64, 3), np.uint8)], encoder)
        >>> [(image_id, image.shape) for image_id, image in images.pixels(32)]
        [('0', (32, 32, 3))]
    """

    def __init__(
        self,
        images: Sequence[SourceImage],
        encoder: Encoder,
        description: str | None = None,
        value_range: ValueRange | None = None,
        pose: Pose | None = None,
        channels: Channels | None = None,
    ) -> None:
        self.images = list(images)
        self.image_ids = [image.id for image in images]
        self.encoder = encoder
        self.description = description
        self.value_range = value_range
        self.pose = pose
        self.channels = channels
        self._networks: dict[Any, Any] = {}
        self._openings: list[float] = []  # seconds

    @classmethod
    def of_samples(cls, samples: Samples, encoder: Encoder, description: str | None = None) -> Self:
        """Create features of samples; the label of the progress bar begins with their category."""
        images = SourceImage.of_samples(samples)
        label = description and f"{samples.category}: {description}"
        return cls(images, encoder, label, samples.value_range, samples.pose, samples.channels)

    @classmethod
    def of_arrays(cls, arrays: Iterable[np.ndarray], encoder: Encoder) -> Self:
        """Create features of images in memory, uint8 [height, width, 3] RGB each; their ids are 0, 1, 2, ….

        Raises:
            InputError: If an image is another array, or none.
        """
        images = [SourceImage.of_array(f"{n}", array) for n, array in enumerate(arrays)]
        return cls(images, encoder)

    @classmethod
    def of_folder(
        cls, folder: str, encoder: Encoder, value_range: ValueRange | None = None
    ) -> Self:
        """Create features of the images below a folder; their ids are their paths relative to it.

        Args:
            folder: Path or URL of image files, or of ``.npy`` files, see :func:`reb_pipeline.images.arrays.read_array`.
            encoder: The network.
            value_range: Range of the values of images with more than 8 bits.

        Raises:
            InputError: If the folder is missing or holds no image; while images are streamed, if a file cannot
                be used.
        """
        from reb_pipeline.core.errors import InputError
        from reb_pipeline.images.decoding import read_image
        from reb_pipeline.images.folder import IMAGE_SUFFIXES, list_images, read_file

        filesystem, found = list_images(folder, {*IMAGE_SUFFIXES, ARRAY})

        def read(path: str) -> np.ndarray:
            try:
                data = read_file(filesystem, path)
            except OSError as error:
                msg = f"'{path}' in '{folder}' cannot be read ({error}): replace or remove it."
                raise InputError(msg) from error
            if path.lower().endswith(ARRAY):
                return read_array(data, f"'{path}'", value_range)
            return read_image(data, path, value_range=value_range)

        images = [SourceImage(path, partial(read, path)) for path in found.images]
        return cls(images, encoder, value_range=value_range)

    @property
    def layers(self) -> list[str | int]:
        """Tapped layers, finest first."""
        return self.encoder.layers

    @property
    def image_hashes(self) -> list[str]:
        """SHA-256 of the files of the images; empty texts if unknown."""
        return [image.digest.partition("-")[0] for image in self.images]

    @property
    def provenance(self) -> dict[str, Any]:
        """Settings that made the features, as JSON values."""
        scale = {"value_range": self.value_range.as_json()} if self.value_range else {}
        pose = None if self.pose is None else self.pose.as_json()
        channels = None if self.channels is None else self.channels.as_json()
        return {**self.encoder.provenance, **scale, "pose": pose, "channels": channels}

    @property
    def encoder_bytes(self) -> int:
        """Bytes of the weights of the largest network in use; networks of one backbone share their layers."""
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
        bank.check_extractor(self.provenance)
        found = search_images(self.patches(), bank, n_neighbors, device)
        return replace(found, image_hashes=self.image_hashes)

    def levels(self, layers: Layers = None) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers without a neck."""
        from reb_pipeline.features.levels import extract_levels

        images = self._opened_images(self.description)
        return extract_levels(self._network("levels", layers), images, self._batch_size)

    def pooled(self) -> np.ndarray:
        """Average the deepest layer over all positions, float32 [images, channels]."""
        extractor = self._network("pooled")
        images = self._opened_images(self.description)
        found = [
            extractor([image for _, image in batch]) for batch in batches(images, self._batch_size)
        ]
        return np.concatenate(found)

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images as squares."""
        images = self._opened_images(self.description)
        return ((image_id, resize_image(image, side)) for image_id, image in images)

    def take(self, order: Sequence[int]) -> Self:
        """Select some of the images, in the given order; the networks are shared."""
        return self._of([self.images[n] for n in order])

    def aligned(self, pose: Pose) -> Self:
        """Align the images to a golden image when they are opened."""
        name = f"aligned{zlib.crc32(pose.golden.tobytes())}"
        others = self._of([image.changed(name, pose.brought) for image in self.images])
        others.pose = pose
        return others

    def copied(self, copy: Copy) -> Self:
        """Return copies of the images; the networks are shared, and there is no progress bar."""
        copies = self._of([image.copied(copy) for image in self.images])
        copies.description = None
        return copies

    def _of(self, images: list[SourceImage]) -> Self:
        other = copy_of(self)
        other.images, other.image_ids = images, [image.id for image in images]
        return other

    def timed(self, work: Callable[[Self], T]) -> tuple[T, float]:
        """Call a function on these features and measure the time.

        Returns:
            Result of the function, and the seconds that it took without the opening of images.
        """
        self._openings.clear()
        start = perf_counter()
        made = work(self)
        return made, perf_counter() - start - sum(self._openings)

    @property
    def _batch_size(self) -> int:
        return self.encoder.settings.images_at_once

    def _network(self, kind: str, layers: Layers = None) -> Any:
        """Return the network of a kind, the name of a method of the encoder; it is built at the first call."""
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
    """Features of images, with patch and pooled features rounded to half precision, as a study stores them.

    So a detector fitted on extracted features equals one fitted on stored features.
    """

    def patches(self, layers: Layers = None) -> Iterator[tuple[str, np.ndarray]]:
        """Stream patch features."""
        for image_id, grid in super().patches(layers):
            yield image_id, rounded(grid).astype(np.float32)

    def pooled(self) -> np.ndarray:
        """Average the deepest layer over all positions, float32 [images, channels]."""
        return rounded(super().pooled()).astype(np.float32)


def rounded(features: np.ndarray) -> np.ndarray:
    """Round features to half precision; they stay in single precision if one is too large for half."""
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    return half if np.isfinite(half).all() else features
