"""Nearest neighbours by comparing every query with every row."""

import numpy as np

from reb_pipeline.core.progress import progress

QUERIES_PER_BLOCK = 4096
SPARE = 8  # candidates beyond k, so that rounding cannot push near-duplicates out

Found = tuple[np.ndarray, np.ndarray]  # squared distances and bank rows


def nearest_of_all(
    queries: np.ndarray,
    bank: np.ndarray,
    k: int,
    description: str | None = None,
    without: slice = slice(0, 0),
) -> Found:
    """Find the ``k`` bank rows nearest to each query with FAISS, without a copy of the bank.

    FAISS computes |q|² + |b|² − 2qb, which is inaccurate for close neighbours. Therefore it selects a few candidates
    more than ``k``, and their distances are computed again as sums of squared differences.

    Args:
        queries: float32 [queries, channels], C-contiguous.
        bank: float32 [rows, channels], C-contiguous.
        k: Number of neighbours, from 1 to the number of rows that are not left out.
        description: Label of the progress bar; None shows no bar.
        without: Bank rows to leave out.

    Returns:
        Squared Euclidean distances, float32 [queries, k], ascending, and the bank rows, int64 [queries, k].
    """
    parts = [(0, bank[: without.start]), (without.stop, bank[without.stop :])]
    squared = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    for start in progress(range(0, len(queries), QUERIES_PER_BLOCK), description):
        block = slice(start, start + QUERIES_PER_BLOCK)
        found = [_candidates(queries[block], part, k, first) for first, part in parts if len(part)]
        squared[block], rows[block] = nearest_columns(found, k)
    return squared, rows


def squared_distances(
    queries: np.ndarray, bank: np.ndarray, query_numbers: np.ndarray, row_numbers: np.ndarray
) -> np.ndarray:
    """Compute squared distances of pairs as sums of squared differences, without a copy of the rows.

    Args:
        queries: float32 [queries, channels], C-contiguous.
        bank: float32 [rows, channels], C-contiguous.
        query_numbers: Number of the query of each pair, int64 [pairs].
        row_numbers: Number of the bank row of each pair, int64 [pairs].

    Returns:
        float32 [pairs].
    """
    import faiss  # half a second to import

    result = np.empty(len(query_numbers), np.float32)
    arrays = queries, query_numbers, bank, row_numbers, result
    faiss.pairwise_indexed_L2sqr(  # type: ignore[attr-defined]
        bank.shape[1], len(result), *map(faiss.swig_ptr, arrays)
    )
    return result


def nearest_columns(found: list[Found], k: int) -> Found:
    """Merge results of several searches for the same queries and keep the ``k`` nearest.

    Args:
        found: Squared distances, float32, and rows, int64, [queries, columns] each.
        k: Number of neighbours, at most the total number of columns.

    Returns:
        As ``found``, ascending, [queries, k] each; equal distances keep their order.
    """
    squared, rows = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _candidates(queries: np.ndarray, bank: np.ndarray, k: int, first: int) -> Found:
    """Find ``k`` candidates and a few spare ones in a part of the bank that begins at row ``first``."""
    import faiss

    _, rows = faiss.knn(queries, bank, min(k + SPARE, len(bank)))
    own = np.repeat(np.arange(len(queries)), rows.shape[1])
    return squared_distances(queries, bank, own, rows.ravel()).reshape(rows.shape), rows + first
