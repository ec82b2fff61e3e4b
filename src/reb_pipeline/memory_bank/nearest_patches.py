"""Exact nearest coreset rows of the patches of images, by squared Euclidean distance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.samples import check_images
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, fingerprint
from reb_pipeline.memory_bank.grids import checked_grids, inside
from reb_pipeline.search.index import NeighborIndex

if TYPE_CHECKING:
    import pandas as pd

QUERIES_PER_BLOCK = 4096


@dataclass(frozen=True)
class NearestPatches:
    """Nearest coreset rows of every patch of some images, the input of all patch scores.

    Of a bank with a region, only the patches inside were searched: h is 1, and w is their number.

    Attributes:
        squared_distances: Squared Euclidean distances, ascending, float32 [images, h, w, K].
        rows: Positions of the nearest rows in the coreset, int32 [images, h, w, K].
        peak_features: Feature of each image's patch with the largest distance to its nearest row, float32
            [images, channels].
        mean_features: Mean feature of the patches of each image, float32 [images, channels].
        image_ids: Ids of the images.
        coreset_fingerprint: Hash of the coreset's features.
        image_hashes: SHA-256 of the files of the images; empty if unknown.
        bank_fingerprint: Hash of the bank whose own images were searched, see
            :meth:`reb_pipeline.memory_bank.bank.MemoryBank.fingerprint_of`; empty for other images.
    """

    FORMAT: ClassVar[int] = 4
    FORMER_VALUES: ClassVar[Mapping[str, Any]] = {"image_hashes": []}
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"coreset": "coreset_fingerprint"}

    squared_distances: np.ndarray
    rows: np.ndarray
    peak_features: np.ndarray
    mean_features: np.ndarray
    image_ids: list[str]
    coreset_fingerprint: str
    image_hashes: list[str] = field(default_factory=list)
    bank_fingerprint: str = ""

    def check_samples(self, samples: "pd.DataFrame", pipeline: str, *, complete: bool) -> None:
        """Check that these images were searched, see :func:`reb_pipeline.images.samples.check_images`.

        Args:
            samples: The images.
            pipeline: Name of the pipeline that searches them.
            complete: False if some need not have been searched.

        Raises:
            InputError: If others were searched.
        """
        check_images(
            "The nearest patches are those of",
            samples,
            self.image_ids,
            self.image_hashes,
            f"run the pipeline {pipeline} again",
            complete=complete,
        )

    @property
    def max_neighbors(self) -> int:
        """K, the number of rows found for each patch."""
        return self.rows.shape[-1]


def search_images(
    patches: Iterable[tuple[str, np.ndarray]],
    bank: MemoryBank,
    n_neighbors: int = 1,
    device: str = "cpu",
) -> NearestPatches:
    """Find the nearest coreset rows of every patch, a few images at a time.

    Args:
        patches: (image id, float32 [h, w, channels]) of each image, as extracted.
        bank: The rows to compare with, see :meth:`reb_pipeline.memory_bank.bank.Coreset.of`.
        n_neighbors: Number of rows to find for each patch.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If there are no images, fewer coreset rows than ``n_neighbors``, or grids or ids that cannot be
            used, see :func:`reb_pipeline.memory_bank.grids.checked_grids`.

    Example:
        >>> from reb_pipeline.memory_bank.bank import collect_patches
        >>> good = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
        >>> bank = collect_patches([("good", good)], n_images=1, extractor={})
        >>> found = search_images([("part", good + 1)], bank)
        >>> found.squared_distances[..., 0].tolist()
        [[[0.0, 0.0], [0.0, 1.0]]]
    """
    _check_rows(len(bank.features), n_neighbors)
    image_ids: list[str] = []
    found = []
    checked = checked_grids(patches, bank.features.shape[1])
    searched = ((name, bank.space.apply(inside(grid, bank.region))) for name, grid in checked)
    for ids, grids in _batches(searched):
        queries = grids.reshape(-1, grids.shape[-1])
        found.append(_on_grids(grids, *bank.index(device).search(queries, n_neighbors)))
        image_ids += ids
    if not image_ids:
        msg = "There is no test image to compare with the memory bank: check the test split."
        raise InputError(msg)
    return _gather(found, image_ids, bank.fingerprint)


def search_other_images(
    bank: MemoryBank,
    coreset: Coreset,
    n_neighbors: int = 1,
    images: Sequence[int] | None = None,
    device: str = "cpu",
) -> NearestPatches:
    """Find the nearest coreset rows for patches of the bank's own images, without each image's own rows.

    So good images are scored as if they were unseen. Bank rows are stored image by image. Therefore the rows of one
    image are one block of the sorted coreset, and the rows before and after it are searched without a copy.

    Args:
        bank: The memory bank.
        coreset: The rows to compare with.
        n_neighbors: Number of rows to find for each patch.
        images: Indices of the images in ``bank.image_ids``; None for all.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If for an image fewer than ``n_neighbors`` coreset rows come from other images.
    """
    features = coreset.features(bank)
    key = fingerprint(features)
    order = np.argsort(coreset.rows)
    if (np.diff(order) < 0).any():
        features = features[order]
    owners = bank.image[coreset.rows[order]]
    whole = bank.grids
    _, h, w, _ = whole.shape
    chosen = range(len(bank.image_ids)) if images is None else images
    index = NeighborIndex(features, len(chosen) * h * w, device)
    found = []
    for image in chosen:
        grids = whole[image : image + 1]
        begin, end = np.searchsorted(owners, [image, image + 1])
        _check_rows(len(features) - (end - begin), n_neighbors)
        squared, rows = index.search(
            grids[0].reshape(h * w, -1), n_neighbors, without=slice(begin, end)
        )
        found.append(_on_grids(grids, squared, order[rows]))
    nearest = _gather(found, [bank.image_ids[image] for image in chosen], key)
    hashes = bank.image_hashes or [""] * len(bank.image_ids)
    return replace(
        nearest,
        image_hashes=[hashes[image] for image in chosen],
        bank_fingerprint=coreset.bank_fingerprint,
    )


def _check_rows(n_rows: int, n_neighbors: int) -> None:
    if n_neighbors > n_rows:
        msg = (
            f"{n_neighbors} neighbours of every patch are to be searched (scoring.max_neighbors) but the coreset has "
            f"{n_rows} rows to compare with: lower scoring.max_neighbors or raise memory_bank.coreset_ratio."
        )
        raise InputError(msg)


def _batches(
    patches: Iterable[tuple[str, np.ndarray]],
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield ids and grids [n, h, w, channels] of several images, as large batches are searched faster."""
    ids: list[str] = []
    grids: list[np.ndarray] = []
    for image_id, grid in patches:
        ids.append(image_id)
        grids.append(grid)
        if len(grids) * grid.shape[0] * grid.shape[1] >= QUERIES_PER_BLOCK:
            yield ids, np.stack(grids)
            ids, grids = [], []
    if grids:
        yield ids, np.stack(grids)


def _on_grids(grids: np.ndarray, squared: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Put the results for patches of [n, h, w, channels] back on their grids; add peak and mean features."""
    n, h, w, channels = grids.shape
    patches = grids.reshape(n, h * w, channels)
    peaks = squared[:, 0].reshape(n, h * w).argmax(axis=1)
    return (
        squared.reshape(n, h, w, -1),
        rows.astype(np.int32).reshape(n, h, w, -1),
        patches[np.arange(n), peaks],
        patches.mean(axis=1),
    )


def _gather(
    found: list[tuple[np.ndarray, ...]], image_ids: list[str], coreset_fingerprint: str
) -> NearestPatches:
    squared, rows, peaks, means = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return NearestPatches(squared, rows, peaks, means, image_ids, coreset_fingerprint)
