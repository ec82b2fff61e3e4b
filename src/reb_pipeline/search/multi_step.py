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
from reb_pipeline.search.bounds import ShortSpace, leading
from reb_pipeline.search.flat import (
    SPARE,
    Found,
    nearest_columns,
    nearest_of_all,
    products,
    squared_distances,
)

QUERIES_PER_BLOCK = 128
ROWS_PER_SEGMENT = 32768  # with a block of queries: 16 MiB of bounds
PIECES = 8  # of a segment, per neighbour; the row with the lowest bound in each is compared first
SHORTEST_PIECE = 8  # rows
LARGEST_SHARE = 1 / 8  # of the rows compared one by one; above it, comparing all at once is faster
LARGEST_FIRST_SHARE = 1 / 32  # of the rows that get bounds by all directions one by one
SAMPLED = 64  # distance between the rows that this share is estimated from
FEWEST_DIRECTIONS = 48  # with fewer, bounds by a third of them save little

_one_at_a_time = threading.Lock()


class MultiStepBank:
    """Bank whose rows are mostly ruled out without a full comparison (multi-step search, Seidl & Kriegel 1998).

    1. Queries and rows are compared in a short space, which gives lower bounds of the real distances.
    2. Some rows with low bounds are compared in full. The k-th smallest of their distances is an upper bound of the
       distance to the k-th neighbour.
    3. Every row whose lower bound is at most this upper bound is compared in full. All others are farther.

    The first bounds use a third of the directions; the pairs that they leave get bounds by all directions before they
    are compared in full. Queries that rule out too few rows of a segment begin again with all directions, and those
    that still do are compared with all its rows.

    Args:
        bank: float32 [rows, channels], C-contiguous; not copied, and may be a memory map.
        space: The short space that gives the lower bounds.
    """

    def __init__(self, bank: np.ndarray, space: ShortSpace) -> None:
        self._bank = bank
        self._space = space
        self._spare: list[np.ndarray] = []  # memory of finished blocks
        self._stages = [space.rows(bank)]
        n_directions = space.directions.shape[1]
        if n_directions >= FEWEST_DIRECTIONS:
            self._stages.insert(0, leading(self._stages[0], n_directions // 3))

    def search(self, queries: np.ndarray, k: int, description: str | None, without: slice) -> Found:
        """Find nearest rows, see :meth:`reb_pipeline.search.index.NeighborIndex.search`."""
        import faiss  # half a second to import

        state = _Search(queries, self._bank, self._space, self._stages, self._spare, k)
        n_threads = faiss.omp_get_max_threads()
        # Each thread gets the same number of blocks, so that all finish together.
        n_blocks = n_threads * ceil(len(queries) / QUERIES_PER_BLOCK / n_threads)
        blocks = _pieces(0, len(queries), n_blocks)
        segments = _segments(len(self._bank), without)
        with _workers(n_threads) as workers:
            steps = (
                step
                for segment in segments
                for step in workers.map(partial(state.search, segment), blocks)
            )
            for _ in progress(steps, description, len(segments) * len(blocks)):
                pass
        return state.found


class _Search:
    """One search: what was found so far.

    Attributes:
        found: Squared distances and rows, [queries, k] each.
    """

    def __init__(
        self,
        queries: np.ndarray,
        bank: np.ndarray,
        space: ShortSpace,
        stages: list[np.ndarray],
        spare: list[np.ndarray],
        k: int,
    ) -> None:
        self._queries = queries
        self._bank = bank
        self._space = space
        self._stages = stages
        self._spare = spare
        self.found = _empty(len(queries), k)

    def search(self, segment: slice, block: slice) -> None:
        """Search a segment of the bank for a block of queries."""
        bank, k = self._bank[segment], self.found[0].shape[1]
        left = np.arange(block.start, block.stop)
        if PIECES * k * SHORTEST_PIECE <= len(bank):
            for rows in list(self._stages):
                left = left[self._rule_out(left, segment, rows)]
        if len(left):
            fresh = nearest_of_all(self._queries[left], bank, min(k, len(bank)))
            self._add(left, fresh, segment.start)

    def _rule_out(self, left: np.ndarray, segment: slice, short_rows: np.ndarray) -> np.ndarray:
        """Search a segment for some queries by the bounds of a stage.

        Returns:
            Queries that rule out too few rows, bool; nothing was found for them.
        """
        if not len(left):
            return np.zeros(0, bool)
        queries, bank, last = self._queries[left], self._bank[segment], self._stages[-1]
        known = self.found[0][left]
        short, terms = self._space.queries(queries)
        first = short if short_rows is last else leading(short, short_rows.shape[1] - 2)
        with _borrowed(self._spare, 5 * len(left) * len(bank)) as memory:
            n_whole = len(bank) - len(bank) % (PIECES * known.shape[1])
            bounds = memory[: 4 * len(left) * n_whole].view(np.float32).reshape(len(left), n_whole)
            near = memory[-len(left) * len(bank) :].view(bool).reshape(len(left), len(bank))
            np.matmul(first, short_rows[segment][:n_whole].T, out=bounds)
            upper = _upper_bounds(queries, bank, bounds, known)
            np.less_equal(bounds, (upper - terms)[:, None], out=near[:, :n_whole])
            near[:, n_whole:] = True  # fewer than the pieces
            largest_share = LARGEST_SHARE if short_rows is last else LARGEST_FIRST_SHARE
            too_many = near[:, ::SAMPLED].mean(axis=1) > largest_share
            near[too_many] = False
            own, rows = _pairs(near)
        if short_rows is not last:
            kept = products(short, last[segment], own, rows) <= (upper - terms)[own]
            own, rows = own[kept], rows[kept]
            if 4 * np.count_nonzero(too_many) > len(left):
                self._stages = [last]  # the first bounds are too low for these queries to pay
        self._add(left, _refine(queries, bank, own, rows, upper), segment.start)
        return too_many

    def _add(self, queries: np.ndarray, fresh: Found, first: int) -> None:
        """Merge rows found in a segment that begins at row ``first`` into those of some queries."""
        squared, rows = self.found
        merged = nearest_columns(
            [(squared[queries], rows[queries]), (fresh[0], fresh[1] + first)], squared.shape[1]
        )
        squared[queries], rows[queries] = merged


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
    pieces = bounds.reshape(n, PIECES * k, -1)
    rows = pieces.argmin(axis=2) + pieces.shape[2] * np.arange(PIECES * k)
    if rows.shape[1] > k + SPARE:
        lowest = np.argpartition(np.take_along_axis(bounds, rows, axis=1), k + SPARE - 1, axis=1)
        rows = np.take_along_axis(rows, lowest[:, : k + SPARE], axis=1)
    own = np.repeat(np.arange(n), rows.shape[1])
    squared = squared_distances(queries, bank, own, rows.ravel()).reshape(rows.shape)
    return np.partition(np.concatenate([known, squared], axis=1), k - 1, axis=1)[:, k - 1]


def _pairs(near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the query and the row of each true entry of bool [queries, rows], int64 [pairs] each."""
    n, n_rows = near.shape
    positions = np.flatnonzero(near)
    edges = np.searchsorted(positions, n_rows * np.arange(n + 1))
    own = np.repeat(np.arange(n), np.diff(edges))  # faster than a division
    return own, positions - n_rows * own


def _refine(
    queries: np.ndarray, bank: np.ndarray, own: np.ndarray, rows: np.ndarray, upper: np.ndarray
) -> Found:
    """Compare pairs of a query and a row in full; pad short lines with infinity."""
    squared = squared_distances(queries, bank, own, rows)
    kept = squared <= upper[own]
    own, rows, squared = own[kept], rows[kept], squared[kept]
    counts = np.bincount(own, minlength=len(queries))
    columns = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = _empty(len(queries), counts.max())
    table[0][own, columns], table[1][own, columns] = squared, rows
    return table


@contextmanager
def _borrowed(spare: list[np.ndarray], n_bytes: int) -> Iterator[np.ndarray]:
    """Lend memory of a finished block: the first touch of fresh memory takes as long as a product of matrices."""
    try:
        memory = spare.pop()
    except IndexError:
        memory = np.empty(n_bytes, np.uint8)
    if len(memory) < n_bytes:
        memory = np.empty(n_bytes, np.uint8)
    yield memory[:n_bytes]
    spare.append(memory)


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
