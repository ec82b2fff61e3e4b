"""Exact nearest neighbours in squared Euclidean distance."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reb_pipeline.errors import InputError
from reb_pipeline.neighbors.bank import fingerprint
from reb_pipeline.progress import progress

QUERIES_PER_BLOCK = 4096
SPARE = 8  # candidates beyond k, so that rounding cannot push near-duplicates out


@dataclass(frozen=True)
class NearestPatches:
    """The nearest coreset row of every patch of some images; any K, alpha and score form follow from it.

    Attributes:
        squared_distance: Squared Euclidean, float32 [images, h, w].
        rows: Position of that row in the coreset, int32 [images, h, w].
        image_ids: Ids of the images.
        coreset: Fingerprint of the coreset's features.
    """

    squared_distance: np.ndarray
    rows: np.ndarray
    image_ids: list[str]
    coreset: str


def nearest_neighbors(
    queries: np.ndarray, bank: np.ndarray, k: int, description: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` bank rows nearest to each query.

    FAISS finds them without a copy of the bank. Its distances come from |q|² + |b|² − 2qb, which loses digits where
    neighbours are close, so those of a few candidates more than k are computed again as sums of squared differences.

    Args:
        queries: float32 [queries, channels], C-contiguous.
        bank: float32 [rows, channels], C-contiguous.
        k: Number of neighbours, at most ``rows``.
        description: Label of a progress bar; none is shown without it.

    Returns:
        Squared Euclidean distances, float32 [queries, k], ascending, and the bank rows, int64 [queries, k].

    Raises:
        ValueError: If ``k`` is not in 1..rows.
    """
    import faiss  # half a second to import

    if not 1 <= k <= len(bank):
        msg = (
            f"k = {k} neighbours asked of a bank of {len(bank)} rows: k must be in 1..{len(bank)}."
        )
        raise ValueError(msg)
    squared = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    starts = range(0, len(queries), QUERIES_PER_BLOCK)
    for start in progress(starts, description):
        block = slice(start, start + QUERIES_PER_BLOCK)
        _, found = faiss.knn(queries[block], bank, min(k + SPARE, len(bank)))
        exact = np.stack(
            [((queries[block] - bank[column]) ** 2).sum(axis=1) for column in found.T], axis=1
        )
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        squared[block] = np.take_along_axis(exact, order, axis=1)
        rows[block] = np.take_along_axis(found, order, axis=1)
    return squared, rows


def search_images(
    patches: Iterable[tuple[str, np.ndarray]], coreset_features: np.ndarray
) -> NearestPatches:
    """Find the nearest coreset row of every patch, a few images at a time.

    Args:
        patches: (image id, float32 [h, w, channels]) of each image.
        coreset_features: float32 [coreset rows, channels].

    Raises:
        InputError: If there are no images.
    """
    squared_distance, rows, image_ids = [], [], []
    waiting: list[np.ndarray] = []

    def search_waiting() -> None:
        queries = np.stack(waiting)
        n, h, w, channels = queries.shape
        squared, row = nearest_neighbors(queries.reshape(-1, channels), coreset_features, 1)
        squared_distance.append(squared.reshape(n, h, w))
        rows.append(row.reshape(n, h, w).astype(np.int32))
        waiting.clear()

    for image_id, grid in patches:
        image_ids.append(image_id)
        waiting.append(grid)
        # Many queries at once is where the search is fast.
        if len(waiting) * grid.shape[0] * grid.shape[1] >= QUERIES_PER_BLOCK:
            search_waiting()
    if waiting:
        search_waiting()
    if not image_ids:
        msg = "There is no test image to compare with the memory bank: check the test split."
        raise InputError(msg)
    return NearestPatches(
        np.concatenate(squared_distance),
        np.concatenate(rows),
        image_ids,
        fingerprint(coreset_features),
    )
