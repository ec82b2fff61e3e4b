"""Exact nearest neighbours by multi-step search: lower bounds rule out most rows."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from math import ceil

import numpy as np
from threadpoolctl import ThreadpoolController

from reb_pipeline.core.progress import progress
from reb_pipeline.search.bounds import ShortSpace
from reb_pipeline.search.clusters import Clusters, fit_clusters
from reb_pipeline.search.flat import Found, nearest_columns, nearest_of_all, squared_distances

QUERIES_PER_TASK = 10240
FEWEST_PER_TASK = 1024  # with fewer queries, threads mostly wait for each other between short steps
QUERIES_PER_BLOCK = 1024  # that are compared with all clusters at once
ROWS_PER_SEGMENT = 32768
BOUNDS_AT_ONCE = 2**25  # 32 MiB of bool
FIRST_ROWS = 96  # around a query, and 16 more for each neighbour: the lowest of their bounds lead to its upper bound
FIRST_ROWS_PER_NEIGHBOR = 16
FEW = 2  # more than k rows are compared for an upper bound
LARGEST_SHARE = 1 / 8  # of the rows compared one by one; above it, comparing all at once is faster

_one_at_a_time = threading.Lock()


class MultiStepBank:
    """Bank whose rows are mostly ruled out without a full comparison (multi-step search, Seidl & Kriegel 1998).

    Queries and rows are compared in a short space, which gives lower bounds of the real distances.

    1. Of the rows in the clusters around a query, some with low bounds are compared in full. The k-th smallest of their
       distances is an upper bound of the distance to the k-th neighbour.
    2. Clusters are left out if no row of theirs can be within the upper bound.
    3. Rows of the other clusters whose lower bounds are at most the upper bound are compared in full. All others are
       farther.

    Queries are sorted by their clusters, so that a cluster is compared with many queries by one product. Queries that
    rule out too few rows of a segment are compared with all its rows.

    Args:
        bank: float32 [rows, channels], C-contiguous; not copied, and may be a memory map.
        space: The short space that gives the lower bounds.
    """

    def __init__(self, bank: np.ndarray, space: ShortSpace) -> None:
        self._bank = bank
        self._space = space
        n_segments = ceil(len(bank) / ROWS_PER_SEGMENT)
        self._segments = [
            _Segment.of(bank, space, rows) for rows in _pieces(0, len(bank), n_segments)
        ]

    def search(self, queries: np.ndarray, k: int, description: str | None, without: slice) -> Found:
        """Find nearest rows, see :meth:`reb_pipeline.search.index.NeighborIndex.search`."""
        import faiss  # half a second to import

        state = _Search(queries, self._bank, self._space, k, without)
        n_threads = min(faiss.omp_get_max_threads(), max(1, len(queries) // FEWEST_PER_TASK))
        # Each thread gets the same number of tasks, so that all finish together.
        n_tasks = n_threads * ceil(len(queries) / QUERIES_PER_TASK / n_threads)
        tasks = _pieces(0, len(queries), n_tasks)
        with _workers(n_threads) as workers:
            steps = (
                step
                for segment in self._segments
                for step in workers.map(partial(state.search, segment), tasks)
            )
            for _ in progress(steps, description, len(self._segments) * len(tasks)):
                pass
        return state.found


@dataclass(frozen=True)
class _Segment:
    """Rows of a bank, cluster by cluster.

    Attributes:
        rows: The part of the bank.
        clusters: Partition of these rows in the short space.
        numbers: Number of each row in the bank, int64 [rows].
        short: The rows, see :meth:`ShortSpace.rows`, float32 [rows, directions + 2].
    """

    rows: slice
    clusters: Clusters
    numbers: np.ndarray
    short: np.ndarray

    @classmethod
    def of(cls, bank: np.ndarray, space: ShortSpace, rows: slice) -> "_Segment":
        """Cut a part of a bank into clusters."""
        short = space.rows(bank[rows])
        clusters = fit_clusters(short[:, :-1] / np.float32(-2))
        return cls(rows, clusters, rows.start + clusters.order, short[clusters.order])


@dataclass(frozen=True)
class _Block:
    """Some queries.

    Attributes:
        numbers: Numbers of the queries, int64 [queries].
        short: See :meth:`ShortSpace.queries`, float32 [queries, directions + 2].
        terms: See :meth:`ShortSpace.queries`, float32 [queries].
        own: Cluster of the segment whose centre is nearest, ascending, int64 [queries].
    """

    numbers: np.ndarray
    short: np.ndarray
    terms: np.ndarray
    own: np.ndarray

    def __getitem__(self, chosen: slice | np.ndarray) -> "_Block":
        return _Block(
            self.numbers[chosen], self.short[chosen], self.terms[chosen], self.own[chosen]
        )


class _Search:
    """One search: what was found so far.

    Attributes:
        found: Squared distances and rows, [queries, k] each.
    """

    def __init__(
        self, queries: np.ndarray, bank: np.ndarray, space: ShortSpace, k: int, without: slice
    ) -> None:
        self._queries = queries
        self._bank = bank
        self._space = space
        self._without = without
        self.found = _empty(len(queries), k)

    def search(self, segment: _Segment, task: slice) -> None:
        """Search a segment of the bank for some queries."""
        short, terms = self._space.queries(self._queries[task])
        own = segment.clusters.nearest(short[:, :-1])
        block = _Block(np.arange(task.start, task.stop), short, terms, own)
        block = block[np.argsort(own, kind="stable")]  # neighbours visit the same clusters
        upper = np.empty(len(own), np.float32)
        visited = np.empty((len(own), len(segment.clusters.sizes)), bool)
        n_rows = np.empty(len(own), np.int64)
        for start in range(0, len(own), QUERIES_PER_BLOCK):
            part = slice(start, start + QUERIES_PER_BLOCK)
            upper[part] = self._upper_bounds(segment, block[part])
            visited[part] = _visited(segment, block[part], upper[part])
            n_rows[part] = visited[part] @ segment.clusters.sizes
        for part in _parts(n_rows, BOUNDS_AT_ONCE):
            few = block[part]
            own, positions, too_many = _near(segment, few, upper[part], visited[part])
            rows = segment.numbers[positions]
            kept = ~self._is_left_out(rows)
            self._refine(few.numbers, own[kept], rows[kept], upper[part])
            self._compare_all(segment.rows, few.numbers[too_many])

    def _upper_bounds(self, segment: _Segment, block: _Block) -> np.ndarray:
        """Find upper bounds of the squared distance to the k-th neighbour, float32 [queries]."""
        known = self.found[0][block.numbers]
        n, k = known.shape
        around = segment.clusters.around[:, : FIRST_ROWS + FIRST_ROWS_PER_NEIGHBOR * k]
        bounds = np.empty((n, around.shape[1]), np.float32)
        for begin, end in _runs(block.own):
            rows = segment.short[around[block.own[begin]]]
            np.matmul(block.short[begin:end], rows.T, out=bounds[begin:end])
        positions = around[block.own]
        if self._without.start < self._without.stop:
            bounds[self._is_left_out(segment.numbers[positions])] = np.inf
        n_first = min(k + FEW, around.shape[1])
        lowest = np.argpartition(bounds, n_first - 1, axis=1)[:, :n_first]
        rows = segment.numbers[np.take_along_axis(positions, lowest, axis=1)].ravel()
        numbers = np.repeat(block.numbers, n_first)
        squared = squared_distances(self._queries, self._bank, numbers, rows)
        squared[self._is_left_out(rows)] = np.inf
        first = np.concatenate([known, squared.reshape(n, n_first)], axis=1)
        return np.partition(first, k - 1, axis=1)[:, k - 1]

    def _refine(
        self, queries: np.ndarray, own: np.ndarray, rows: np.ndarray, upper: np.ndarray
    ) -> None:
        """Compare pairs of a query and a row in full."""
        squared = squared_distances(self._queries, self._bank, queries[own], rows)
        kept = squared <= upper[own]
        own, rows, squared = own[kept], rows[kept], squared[kept]
        order = np.lexsort((rows, squared, own))
        own, rows, squared = own[order], rows[order], squared[order]
        counts = np.bincount(own, minlength=len(queries))
        columns = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
        table = _empty(len(queries), self.found[0].shape[1])
        kept = columns < table[0].shape[1]
        table[0][own[kept], columns[kept]] = squared[kept]
        table[1][own[kept], columns[kept]] = rows[kept]
        self._add(queries, table)

    def _is_left_out(self, rows: np.ndarray) -> np.ndarray:
        return (rows >= self._without.start) & (rows < self._without.stop)

    def _compare_all(self, rows: slice, queries: np.ndarray) -> None:
        """Compare some queries with all rows of a segment."""
        limits = self._without.start, self._without.stop
        without = slice(*(np.clip(limits, rows.start, rows.stop) - rows.start))
        k = min(self.found[0].shape[1], rows.stop - rows.start - (without.stop - without.start))
        if len(queries) and k:
            squared, found = nearest_of_all(
                self._queries[queries], self._bank[rows], k, without=without
            )
            self._add(queries, (squared, rows.start + found))

    def _add(self, queries: np.ndarray, fresh: Found) -> None:
        """Merge rows found in a segment into those of some queries."""
        squared, rows = self.found
        merged = nearest_columns([(squared[queries], rows[queries]), fresh], squared.shape[1])
        squared[queries], rows[queries] = merged


def _visited(segment: _Segment, block: _Block, upper: np.ndarray) -> np.ndarray:
    """Find the clusters that may hold a row within the upper bound of a query, bool [queries, clusters]."""
    bounds = segment.clusters.lower_bounds(block.short[:, :-1], block.own)
    visited: np.ndarray = ~(bounds > np.sqrt(upper)[:, None])
    visited[:, segment.clusters.sizes == 0] = False
    return visited


def _near(
    segment: _Segment, block: _Block, upper: np.ndarray, visited: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the rows of the visited clusters whose lower bounds are at most the upper bound of a query.

    Returns:
        Number of the query in the block and position of the row in the segment, int64 [pairs] each; and the queries
        with too many rows to list, bool [queries].
    """
    edges, limits = segment.clusters.edges, upper - block.terms
    clusters, queries = np.nonzero(visited.T)
    ends = np.cumsum(segment.clusters.sizes[clusters])
    near = np.empty(ends[-1] if len(ends) else 0, bool)
    stop = 0
    for begin, end in _runs(clusters):
        rows = segment.short[edges[clusters[begin]] : edges[clusters[begin] + 1]]
        visiting = queries[begin:end]
        start, stop = stop, int(ends[end - 1])
        bounds = block.short[visiting] @ rows.T
        np.less_equal(bounds, limits[visiting, None], out=near[start:stop].reshape(bounds.shape))
    too_many = np.zeros(len(upper), bool)
    if 2 * np.count_nonzero(near) > LARGEST_SHARE * len(near):
        n_near = np.add.reduceat(near, ends - segment.clusters.sizes[clusters], dtype=np.int64)
        n_near = np.bincount(queries, weights=n_near, minlength=len(upper))
        too_many = n_near > LARGEST_SHARE * len(segment.numbers)
        near[np.repeat(too_many[queries], segment.clusters.sizes[clusters])] = False
    positions = np.flatnonzero(near)
    visits = np.searchsorted(ends, positions, side="right")
    return queries[visits], edges[clusters[visits] + 1] - (ends[visits] - positions), too_many


def _empty(n_queries: int, n_columns: int) -> Found:
    shape = n_queries, n_columns
    return np.full(shape, np.inf, np.float32), np.zeros(shape, np.int64)


def _runs(numbers: np.ndarray) -> Iterator[tuple[int, int]]:
    """Find where runs of equal numbers begin and end."""
    return pairwise(np.flatnonzero(np.diff(numbers, prepend=-1, append=-1)).tolist())


def _parts(counts: np.ndarray, most: int) -> Iterator[slice]:
    """Cut a list of counts so that the counts of a part add up to at most ``most``, or it has one."""
    ends = np.cumsum(counts)
    stop = 0
    while stop < len(counts):
        start, before = stop, ends[stop - 1] if stop else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(start, stop)


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
