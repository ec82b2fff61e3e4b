"""Memory bank: patch features of good images, with the image and position of every row."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.copies import Copy, copies_of_images
from reb_pipeline.images.region import Region
from reb_pipeline.images.samples import check_images, good_training
from reb_pipeline.memory_bank.allocation import empty_features
from reb_pipeline.memory_bank.distances import FeatureSpace, fit_space
from reb_pipeline.memory_bank.extractors import ALIKE_ENGINES, LONG, differing
from reb_pipeline.memory_bank.grids import checked_grids
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.search.index import NeighborIndex

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALIKE_ENGINES", "MEMORY_GIB", "Coreset", "MemoryBank", "collect_patches", "differing", "fingerprint"
]  # fmt: skip

ROWS_PER_BLOCK = 8192
MEMORY_GIB = 4.0


@dataclass(frozen=True)
class MemoryBank:
    """Features of every patch of the good images.

    Attributes:
        features: float32 [rows, channels], in the space of the distance.
        image: Index into ``image_ids`` of each row, int32 [rows].
        y: Vertical position of each row on the feature grid, int16 [rows].
        x: Horizontal position of each row, int16 [rows].
        image_ids: Ids of the images.
        extractor: Settings that made the features; features of test images must be made with the same settings.
        distance: A key of ``DISTANCES``.
        mean: Mean of the space, see :class:`FeatureSpace`; float32 [channels] or empty.
        whitening: Whitening of the space, float32 [channels, channels] or empty.
        image_hashes: SHA-256 of the files of the images; empty if unknown.
        region: Patches of the feature grid that are looked at, bool [h, w]; None for all. Others have no rows.
        light_copies: Number of copies of every image in other light. Rows of copies follow those of their image and
            belong to it.
        turned_copies: Number of turned copies of every image; they follow those in other light.

    Example:
        >>> grids = [("a", np.zeros((2, 2, 3), np.float32)), ("b", np.ones((2, 2, 3), np.float32))]
        >>> bank = collect_patches(grids, n_images=2, extractor={"backbone": "resnet18"})
        >>> bank.features.shape
        (8, 3)
        >>> bank.image_ids[bank.image[5]], int(bank.y[5]), int(bank.x[5])
        ('b', 0, 1)
    """

    FORMAT: ClassVar[int] = 5
    FORMER_VALUES: ClassVar[Mapping[str, Any]] = {"image_hashes": []}

    features: np.ndarray
    image: np.ndarray
    y: np.ndarray
    x: np.ndarray
    image_ids: list[str]
    extractor: dict[str, Any]
    distance: str
    mean: np.ndarray
    whitening: np.ndarray
    image_hashes: list[str] = field(default_factory=list)
    region: np.ndarray | None = None
    light_copies: int = 0
    turned_copies: int = 0

    @property
    def copies(self) -> list[Copy]:
        """Copies of every image."""
        return copies_of_images(self.light_copies, self.turned_copies)

    @property
    def space(self) -> FeatureSpace:
        """Space that test features must be transformed to."""
        return FeatureSpace(self.distance, self.mean, self.whitening)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the features, which identifies the coreset."""
        return fingerprint(self.features)

    @property
    def grids(self) -> np.ndarray:
        """Features of a whole bank as the grids of its images as they are, without their copies.

        Returns:
            float32 [images, h, w, channels]; not copied. With a region, the patches inside of it are one row: [images,
            1, patches, channels].
        """
        return self._with_copies[:, 0]

    @property
    def _with_copies(self) -> np.ndarray:
        """Grids of all images, each with its copies, float32 [images, 1 + copies, h, w, channels]; not copied."""
        h, w = int(self.y.max()) + 1, int(self.x.max()) + 1
        if self.region is not None:
            h, w = 1, int(self.region.sum())
        return self.features.reshape(len(self.image_ids), 1 + len(self.copies), h, w, -1)

    def whole_grid(self, image: int, copy: int = 0) -> np.ndarray:
        """Features of one image of a whole bank, float32 [h, w, channels]; zeros outside of the region.

        Args:
            image: Index of the image.
            copy: Number of its copy; 0 for the image as it is.
        """
        patches = self._with_copies[image, copy]
        if self.region is None:
            return patches
        grid = np.zeros((*self.region.shape, self.features.shape[1]), np.float32)
        grid[self.region] = patches[0]
        return grid

    def copy_of(self, rows: np.ndarray) -> np.ndarray:
        """Number of the copy of some rows of a whole bank, int64; 0 for the images as they are."""
        n_copies = 1 + len(self.copies)
        patches = len(self.features) // (len(self.image_ids) * n_copies)
        return rows // patches % n_copies

    def rows_of(self, coreset: "MemoryBank") -> np.ndarray:
        """Find the rows of a coreset in the whole bank that they were selected from, by image, place and features.

        Returns:
            Numbers of the rows, int64 [coreset rows].
        """
        n_copies = 1 + len(self.copies)
        patches = len(self.features) // (len(self.image_ids) * n_copies)
        place = np.zeros((int(self.y.max()) + 1, int(self.x.max()) + 1), np.int64)
        place[self.y[:patches], self.x[:patches]] = np.arange(patches)
        first = coreset.image.astype(np.int64) * n_copies * patches + place[coreset.y, coreset.x]
        if n_copies == 1:
            return first
        candidates = first[:, None] + np.arange(n_copies) * patches
        is_same = (self.features[candidates] == coreset.features[:, None]).all(axis=2)
        return candidates[np.arange(len(first)), is_same.argmax(axis=1)]

    def fingerprint_of(self, rows: np.ndarray) -> str:
        """Hash the origin of the bank and some of its rows, which identifies the bank that a coreset is of.

        Args:
            rows: Numbers of the rows, those of the coreset.
        """
        origin = (
            self.image_ids,
            self.image_hashes,
            self.extractor,
            self.distance,
            len(self.features),
        )
        digest = hashlib.blake2b(json.dumps(origin, sort_keys=True).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.features[rows]).data)
        return digest.hexdigest()

    def check_samples(self, samples: "pd.DataFrame") -> None:
        """Check that the bank was made from the good training images of a table of samples.

        Raises:
            InputError: If one of these images is new, gone or changed.
        """
        check_images(
            "The memory bank was made from",
            good_training(samples),
            self.image_ids,
            self.image_hashes,
            "run the pipelines memory_bank, ldknn_density and calibration again, or repeat the bank_update that was "
            "interrupted",
        )

    def check_origin(self, other: "MemoryBank") -> None:
        """Check that these rows are of another bank, by the images and settings of both.

        Raises:
            InputError: If they are not.
        """
        origins = [
            (one.image_ids, one.image_hashes, one.extractor, one.distance, one.copies)
            for one in (self, other)
        ]
        if origins[0] != origins[1]:
            msg = (
                "The detector is that of another memory bank: run the pipeline ldknn_density again."
            )
            raise InputError(msg)

    def index(self, device: str = "cpu") -> NeighborIndex:
        """Return the search index of the rows on a device; it is made at the first call."""
        if device not in self._indexes:
            self._indexes[device] = NeighborIndex(self.features, device=device)
        return self._indexes[device]

    @cached_property
    def _indexes(self) -> dict[str, NeighborIndex]:
        return {}

    def check_unseen(self, image_ids: Iterable[str]) -> None:
        """Check that the bank has not seen the test images.

        Raises:
            InputError: If one of them is in the bank, as after a change of the split.
        """
        seen = sorted(set(self.image_ids) & set(image_ids))
        if seen:
            msg = (
                f"{len(seen)} test images are in the memory bank, the first {seen[0]!r}, so their scores would flatter "
                f"the metrics: run the pipelines memory_bank, ldknn_density and calibration again, or set the split of "
                f"the raw images back and run the pipeline ingestion."
            )
            raise InputError(msg)

    def check_extractor(self, extractor: dict[str, Any]) -> None:
        """Check that test features come from the extractor that made the bank, if the bank knows it.

        Raises:
            InputError: If any setting of the extractor differs, see :func:`differing`.
        """
        for name, used, value in differing(self.extractor, extractor):
            msg = (
                f"The memory bank was made with {name} = {used!r}, not {value!r}: run the "
                f"pipeline memory_bank again, or set {name} back."
            )
            raise InputError(LONG.get(name, msg))


@dataclass(frozen=True)
class Coreset:
    """Selected rows of a memory bank, which test patches are compared with.

    Attributes:
        rows: Row numbers of the memory bank in the order of selection, int64 [coreset rows].
        bank_rows: Number of rows of the whole bank.
        bank_fingerprint: Hash of the bank, see :meth:`MemoryBank.fingerprint_of`; empty in older records.

    Example:
        >>> grid = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
        >>> bank = collect_patches([("a", grid)], n_images=1, extractor={})
        >>> Coreset.selected(bank, np.array([3, 0])).of(bank).features.tolist()
        [[9.0, 10.0, 11.0], [0.0, 1.0, 2.0]]
    """

    FORMAT: ClassVar[int] = 2

    rows: np.ndarray
    bank_rows: int
    bank_fingerprint: str = ""

    @classmethod
    def selected(cls, bank: MemoryBank, rows: np.ndarray) -> "Coreset":
        """Create the coreset of selected rows of a bank."""
        return cls(rows, len(bank.features), bank.fingerprint_of(rows))

    def of(self, bank: MemoryBank) -> MemoryBank:
        """Select the coreset's rows of the bank, in the order of the coreset; the whole bank is not copied.

        Raises:
            InputError: If the coreset was selected from another bank.
        """
        return replace(
            bank,
            features=self.features(bank),
            image=bank.image[self.rows],
            y=bank.y[self.rows],
            x=bank.x[self.rows],
        )

    def features(self, bank: MemoryBank) -> np.ndarray:
        """Select the coreset's features, float32 [coreset rows, channels]; the whole bank is not copied.

        Raises:
            InputError: If the coreset was selected from another bank.
        """
        if self.bank_rows != len(bank.features):
            msg = (
                f"The coreset was selected from {self.bank_rows} rows but the memory bank has {len(bank.features)}: "
                f"run the pipeline memory_bank again."
            )
            raise InputError(msg)
        if self.bank_fingerprint and self.bank_fingerprint != bank.fingerprint_of(self.rows):
            msg = (
                "The coreset was selected from another memory bank: run the pipelines memory_bank and ldknn_density "
                "again."
            )
            raise InputError(msg)
        is_whole = np.array_equal(self.rows, np.arange(self.bank_rows))
        return bank.features if is_whole else bank.features[self.rows]


def fingerprint(features: np.ndarray) -> str:
    """Hash features, so that coresets can be distinguished."""
    return hashlib.blake2b(np.ascontiguousarray(features).data, digest_size=16).hexdigest()


def collect_patches(
    patches: Iterable[tuple[str, np.ndarray]],
    n_images: int,
    extractor: dict[str, Any],
    settings: MemoryBankSettings | None = None,
    memory_gib: float = MEMORY_GIB,
    image_ids: Sequence[str] | None = None,
    copies: Mapping[Copy, Iterable[tuple[str, np.ndarray]]] = MappingProxyType({}),
) -> MemoryBank:
    """Collect streamed patch features in one array and transform them to the space of a distance.

    Features larger than half of ``memory_gib`` are collected in a memory-mapped temporary file, so that they take only
    memory that the system can spare.

    Args:
        patches: (image id, float32 [h, w, channels]) of each good image.
        n_images: Number of images to come.
        extractor: Settings that made the features, stored with them; patches outside of their ``region`` are left out.
        settings: Distance of the bank; the paper's without them.
        memory_gib: Memory that the pipeline may plan with, in GiB.
        image_ids: Ids that the images must have, in their order; None accepts all ids.
        copies: As ``patches``, of each copy of the same images.

    Returns:
        The memory bank.

    Raises:
        InputError: If there are no images or not ``n_images``, their grids or ids cannot be used, see
            :func:`reb_pipeline.memory_bank.grids.checked_grids`, the distance cannot be fitted on them, or the
            temporary file does not fit on the disk.
    """
    features = np.empty((0, 0), np.float32)
    found_ids: list[str] = []
    looked_at = Region.of_json(extractor.get("region"))
    region: np.ndarray | None = None
    streams = [checked_grids(one) for one in (patches, *copies.values())]
    for index, together in enumerate(zip(*streams, strict=True)):
        image_id, patch_grid = together[0]
        _check_announced(index, image_id, n_images, image_ids)
        if not found_ids:
            h, w, channels = patch_grid.shape
            region = None if looked_at is None else looked_at.patches((h, w))
            y, x = np.nonzero(np.ones((h, w), bool) if region is None else region)
            features = empty_features(n_images * len(streams) * len(y), channels, memory_gib)
        for number, (_, grid) in enumerate(together, index * len(streams)):
            features[number * len(y) : (number + 1) * len(y)] = grid[y, x]
        found_ids.append(image_id)
    if not found_ids:
        msg = (
            "There is no good training image to build a memory bank from: check the training split."
        )
        raise InputError(msg)
    if len(found_ids) != n_images:
        msg = f"{len(found_ids)} images came where {n_images} were announced: give as many ids as images."
        raise InputError(msg)
    distance = (settings or MemoryBankSettings()).distance
    space = fit_space(features, distance)
    for start in range(0, len(features), ROWS_PER_BLOCK):  # in place, to save memory
        block = features[start : start + ROWS_PER_BLOCK]
        in_space = space.apply(block)
        if in_space is not block:  # an unchanged file is not written again
            block[:] = in_space
    return MemoryBank(
        features=features,
        image=np.repeat(np.arange(n_images, dtype=np.int32), len(y) * len(streams)),
        y=np.tile(y.astype(np.int16), n_images * len(streams)),
        x=np.tile(x.astype(np.int16), n_images * len(streams)),
        image_ids=found_ids,
        extractor=extractor,
        distance=distance,
        mean=space.mean,
        whitening=space.whitening,
        region=region,
        light_copies=sum(copy.light > 0 for copy in copies),
        turned_copies=sum(copy.light == 0 for copy in copies),
    )


def _check_announced(
    index: int, image_id: str, n_images: int, image_ids: Sequence[str] | None
) -> None:
    """Check that one more image was announced, by this id if the ids are known."""
    if index >= n_images:
        msg = f"Image {image_id!r} comes after the {n_images} images that were announced: give as many ids as images."
        raise InputError(msg)
    if image_ids is not None and image_ids[index] != image_id:
        msg = (
            f"Image {image_id!r} came where {image_ids[index]!r} was announced: let image_ids name the streamed images "
            f"in their order."
        )
        raise InputError(msg)
