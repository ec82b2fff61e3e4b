"""Exact nearest neighbours by multi-step search: lower bounds rule out most rows."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from math import ceil

import numpy as np
from threadpoolctl import ThreadpoolController

from reb_pipeline.core.progress import progress
from reb_pipeline.search.bounds import ShortSpace
from reb_pipeline.search.flat import (
    SPARE,
    Found,
    nearest_columns,
    nearest_of_all,
    squared_distances,
)

QUERIES_PER_BLOCK = 96
ROWS_PER_SEGMENT = 32768  # with a block of queries: 12 MiB of bounds
GROUP = 32  # rows per group; the row with the group's lowest bound represents it
LARGEST_SHARE = 1 / 8  # of the rows compared one by one; above it, comparing all at once is faster
SAMPLED = 16  # distance between the rows that this share is estimated from

_one_at_a_time = threading.Lock()


class MultiStepBank:
    """Bank whose rows are mostly ruled out without a full comparison (multi-step search, Seidl & Kriegel 1998).

    1. Queries and rows are compared in the short space, which gives lower bounds of the real distances.
    2. Some rows with the lowest bounds are compared in full. The k-th smallest of their distances is an upper bound of
       the distance to the k-th neighbour.
    3. Every row whose lower bound is at most this upper bound is compared in full. All others are farther.

    Queries that rule out too few rows are compared with all rows.

    Args:
        bank: float32 [rows, channels], C-contiguous; not copied, and may be a memory map.
        space: The short space that gives the lower bounds.
    """

    def __init__(self, bank: np.ndarray, space: ShortSpace) -> None:
        self._bank = bank
        self._space = space
        self._short_rows = space.rows(bank)

    def search(self, queries: np.ndarray, k: int, description: str | None, without: slice) -> Found:
        """Find nearest rows, see :meth:`reb_pipeline.search.index.NeighborIndex.search`."""
        import faiss  # half a second to import

        found = _empty(len(queries), k)
        crowded = np.zeros(len(queries), bool)
        n_threads = faiss.omp_get_max_threads()
        # Each thread gets the same number of blocks, so that all finish together.
        n_blocks = n_threads * ceil(len(queries) / QUERIES_PER_BLOCK / n_threads)
        blocks = _pieces(0, len(queries), n_blocks)
        segments = _segments(len(self._bank), without)
        with _workers(n_threads) as workers:
            steps = (
                step
                for segment in segments
                for step in workers.map(
                    partial(self._search_segment, queries, segment, found, crowded), blocks
                )
            )
            for _ in progress(steps, description, len(segments) * len(blocks)):
                pass
        if crowded.any():
            all_compared = nearest_of_all(queries[crowded], self._bank, k, description, without)
            found[0][crowded], found[1][crowded] = all_compared
        return found

    def _search_segment(
        self,
        queries: np.ndarray,
        segment: slice,
        found: Found,
        crowded: np.ndarray,
        block: slice,
    ) -> None:
        """Search one segment for a block of queries; update their rows in ``found`` and ``crowded``."""
        own, bank, k = queries[block], self._bank[segment], found[0].shape[1]
        known = found[0][block], found[1][block]
        if (k + SPARE) * GROUP > len(bank):
            squared, rows = nearest_of_all(own, bank, min(k, len(bank)))
        else:
            short, terms = self._space.queries(own)
            bounds = short @ self._short_rows[:, segment]
            upper = _upper_bounds(own, bank, bounds, known[0])
            near = bounds <= (upper - terms)[:, None]
            crowded[block] |= near[:, ::SAMPLED].mean(axis=1) > LARGEST_SHARE
            near[crowded[block]] = False
            squared, rows = _refine(own, bank, near, upper)
        fresh = squared, rows + segment.start
        found[0][block], found[1][block] = nearest_columns([known, fresh], k)


def _upper_bounds(
    queries: np.ndarray, bank: np.ndarray, bounds: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Find upper bounds of the squared distance to the k-th neighbour.

    Args:
        queries: float32 [queries, channels].
        bank: float32 [rows, channels].
        bounds: Lower bounds without the term of each query, float32 [queries, rows].
        known: Squared distances of k rows found before, float32 [queries, k].

    Returns:
        float32 [queries].
    """
    n, k = known.shape
    n_groups = bounds.shape[1] // GROUP
    groups = bounds[:, : GROUP * n_groups].reshape(n, GROUP, n_groups)
    chosen = np.argpartition(groups.min(axis=1), k + SPARE - 1, axis=1)[:, : k + SPARE]
    rows = groups[np.arange(n)[:, None], :, chosen].argmin(axis=2) * n_groups + chosen
    own = np.repeat(np.arange(n), rows.shape[1])
    squared = squared_distances(queries, bank, own, rows.ravel()).reshape(rows.shape)
    return np.partition(np.concatenate([known, squared], axis=1), k - 1, axis=1)[:, k - 1]


def _refine(queries: np.ndarray, bank: np.ndarray, near: np.ndarray, upper: np.ndarray) -> Found:
    """Compare the rows in ``near``, bool [queries, rows], in full; pad short lines with infinity."""
    n, n_rows = near.shape
    positions = np.flatnonzero(near)
    edges = np.searchsorted(positions, n_rows * np.arange(n + 1))
    own = np.repeat(np.arange(n), np.diff(edges))  # faster than a division
    rows = positions - n_rows * own
    squared = squared_distances(queries, bank, own, rows)
    kept = squared <= upper[own]
    own, rows, squared = own[kept], rows[kept], squared[kept]
    counts = np.bincount(own, minlength=n)
    columns = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = _empty(n, counts.max())
    table[0][own, columns], table[1][own, columns] = squared, rows
    return table


def _empty(n_queries: int, n_columns: int) -> Found:
    shape = n_queries, n_columns
    return np.full(shape, np.inf, np.float32), np.zeros(shape, np.int64)


def _segments(n_rows: int, without: slice) -> list[slice]:
    """Cut the rows before and after those left out into pieces of about equal length."""
    segments = []
    for first, last in ((0, without.start), (without.stop, n_rows)):
        segments += _pieces(first, last, ceil((last - first) / ROWS_PER_SEGMENT))
    return segments


def _pieces(first: int, last: int, n: int) -> list[slice]:
    """Cut a range into ``n`` pieces of about equal length; empty pieces are left out."""
    edges = np.linspace(first, last, n + 1).astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges) if start < stop]


@contextmanager
def _workers(n: int) -> Iterator[Executor]:
    """Open a pool of n threads, in which BLAS and FAISS use one thread each: switching between pools is slow."""
    import faiss  # half a second to import

    with (
        blas_on_one_thread(),
        ThreadPoolExecutor(n, initializer=faiss.omp_set_num_threads, initargs=(1,)) as workers,
    ):
        yield workers


@cache
def _pools() -> ThreadpoolController:
    """Find the thread pools of all libraries, once, because this takes longer than a small search."""
    return ThreadpoolController()


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Keep matrix products on the calling thread; one caller at a time, as the limit holds for the process."""
    with _one_at_a_time, _pools().limit(limits=1, user_api="blas"):
        yield
