"""Greedy k-centre: selected rows such that every other row is near one of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reb_pipeline.core.progress import progress
from reb_pipeline.search.upper_bounds import UpperBounds

POOL_ROWS = 1024
CENTRES_PER_BLOCK = 256
BOUNDED_ROWS = 4096  # whose upper bounds are lowered at once
SHARE_BOUNDED = 1 / 8  # of all rows, at most
FEWEST_CENTRES = 128  # with fewer, to lower upper bounds costs as much as it saves


def greedy_k_center(
    features: np.ndarray,
    n_select: int,
    seed: int,
    description: str | None = None,
    device: str = "cpu",
) -> np.ndarray:
    """Select rows by greedy k-centre: repeatedly the row that is farthest from all selected rows.

    The covering radius is at most twice the best possible (Gonzalez, 1985); PatchCore section 3.2. Among equally far
    rows the lowest number is selected.

    On the CPU the selection is exact but lazy (Minoux, 1978), so that most rows are compared with few selected rows.
    The distance of a row to the selected rows never grows, so its last known value is an upper bound. Only the rows
    with the largest bounds, a pool, are updated, after one or a few selected rows that are near along leading
    directions have lowered their bounds. So most rows are known to be near without their exact distance. Besides the
    features this takes 20 bytes per row, 140 bytes per selected row and two pools.

    Args:
        features: float32 [rows, channels], in memory or memory-mapped; only read.
        n_select: Number of rows to select, in 1..rows.
        seed: Draws the first row, which determines the others.
        description: Label of the progress bar; None shows no bar.
        device: A PyTorch device; any device but ``cpu`` runs the plain algorithm, which is not lazy.

    Returns:
        int64 [n_select] distinct row numbers in the order of selection.

    Raises:
        ValueError: If ``n_select`` is not in 1..rows.

    Example:
        >>> features = np.array([[0], [1], [9], [10]], np.float32)
        >>> greedy_k_center(features, n_select=2, seed=0).tolist()
        [3, 0]
    """
    n_rows = len(features)
    if not 1 <= n_select <= n_rows:
        msg = f"{n_select} coreset rows asked of {n_rows}: must be in 1..{n_rows}."
        raise ValueError(msg)
    first = int(np.random.default_rng(seed).integers(n_rows))
    if device != "cpu":
        from reb_pipeline.search.k_center_on_device import plain_greedy

        return plain_greedy(features, n_select, first, device, description)
    # A plain view of a memory map is faster to index than the memory map.
    order = _farthest_first(np.asarray(features), n_select, first)
    return np.fromiter(progress(order, description, total=n_select), np.int64)


def _farthest_first(features: np.ndarray, n_select: int, first: int) -> Iterator[int]:
    """Yield row numbers in the order of selection."""
    norms = np.einsum("ij,ij->i", features, features)
    # Of each row: its squared distance to the nearest of the first `seen` selected rows.
    squared_distance = norms + norms[first] - 2 * (features @ features[first])
    squared_distance[first] = -np.inf
    seen = np.ones(len(features), np.int32)
    selected = np.empty(n_select, np.int64)
    selected[0] = first
    n_selected = 1
    yield first
    bounds = None
    while n_selected < n_select:
        if bounds is None and n_selected >= FEWEST_CENTRES:
            bounds = UpperBounds(features, norms, selected)
        if bounds is not None and bounds.pay:
            n_bounded = min(BOUNDED_ROWS, math.ceil(SHARE_BOUNDED * len(features)))
            rows, floor = _farthest(squared_distance, n_bounded)
            rows = bounds.lower(rows, floor.squared_distance, n_selected, squared_distance, seen)
        if bounds is None or not bounds.pay or len(rows) > POOL_ROWS:
            rows, floor = _farthest(squared_distance, POOL_ROWS)
        pool = _Pool(rows, features[rows], norms[rows], squared_distance[rows], seen[rows])
        for start in range(pool.seen.min(initial=n_selected), n_selected, CENTRES_PER_BLOCK):
            centres = selected[start : min(start + CENTRES_PER_BLOCK, n_selected)]
            pool.see(features[centres], norms[centres], start + len(centres), floor)
        squared_distance[rows], seen[rows] = pool.squared_distance, pool.seen
        pool = pool.above(floor)
        for row in pool.farthest_first(floor, n_select - n_selected):
            selected[n_selected] = row
            n_selected += 1
            yield row
        squared_distance[pool.rows], seen[pool.rows] = pool.squared_distance, n_selected


class _Floor(NamedTuple):
    """Lowest entry of a new pool: every row outside is nearer, or equally far with a higher number."""

    squared_distance: float
    row: int


def _farthest(squared_distance: np.ndarray, n: int) -> tuple[np.ndarray, _Floor]:
    """Find the ``n`` rows with the largest distances, the lowest numbers among equals; numbers ascend."""
    if n >= len(squared_distance):
        return np.arange(len(squared_distance)), _Floor(-np.inf, len(squared_distance))
    level = np.partition(squared_distance, -n)[-n]
    farther = np.flatnonzero(squared_distance > level)
    equal = np.flatnonzero(squared_distance == level)[: n - len(farther)]
    return np.sort(np.concatenate([farther, equal])), _Floor(level, equal[-1])


@dataclass
class _Pool:
    """Rows that may be the farthest, with their features and last known distances."""

    rows: np.ndarray
    features: np.ndarray
    norms: np.ndarray
    squared_distance: np.ndarray
    seen: np.ndarray

    def see(self, centres: np.ndarray, norms: np.ndarray, n_seen: int, floor: _Floor) -> None:
        """Update the rows that are not below the floor by centres up to the ``n_seen``-th selected row."""
        behind = (self.seen < n_seen) & (self.squared_distance >= floor.squared_distance)
        late = np.flatnonzero(behind)
        to_centres = self.features[late] @ (-2 * centres).T
        to_centres += norms
        nearest = to_centres.min(axis=1) + self.norms[late]
        self.squared_distance[late] = np.minimum(self.squared_distance[late], nearest)
        self.seen[late] = n_seen

    def above(self, floor: _Floor) -> "_Pool":
        """Keep the rows that come before every row outside the pool."""
        level = self.squared_distance == floor.squared_distance
        beyond = (self.squared_distance > floor.squared_distance) | level & (self.rows <= floor.row)
        return _Pool(
            self.rows[beyond],
            self.features[beyond],
            self.norms[beyond],
            self.squared_distance[beyond],
            self.seen[beyond],
        )

    def farthest_first(self, floor: _Floor, n_most: int) -> Iterator[int]:
        """Yield rows by greedy selection until a row outside the pool may be farther."""
        for _ in range(min(n_most, len(self.rows))):
            farthest = int(self.squared_distance.argmax())
            distance, row = self.squared_distance[farthest], int(self.rows[farthest])
            if (distance, -row) < (floor.squared_distance, -floor.row):
                return
            yield row
            # For products this short, BLAS would spend more time on its threads than on the work.
            to_row = np.vecdot(self.features, self.features[farthest])
            to_row *= -2
            to_row += self.norms
            to_row += self.norms[farthest]
            np.minimum(self.squared_distance, to_row, out=self.squared_distance)
            self.squared_distance[farthest] = -np.inf  # never selected again, even among duplicates
