"""Greedy k-centre: rows of which every other row is near one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reb_pipeline.core.progress import progress

POOL_ROWS = 1024
CENTRES_PER_BLOCK = 256


def greedy_k_center(
    features: np.ndarray,
    n_select: int,
    seed: int,
    description: str | None = None,
    device: str = "cpu",
) -> np.ndarray:
    """Select rows by greedy k-centre: again and again the row farthest from all selected ones.

    Its covering radius is at most twice the best possible (Gonzalez, 1985); PatchCore section 3.2. The lowest row goes
    first among equals.

    On the CPU the selection is exact, yet most rows are compared with few of the selected ones, by lazy evaluation
    (Minoux, 1978): distances to the selected rows never grow, so what a row's distance was bounds what it is, and only
    the rows whose bounds are largest, a pool, are brought up to date. Next to the features, that takes 16 bytes a row
    and two pools of rows.

    Args:
        features: float32 [rows, channels], in memory or memory-mapped; only read.
        n_select: Number of rows to select, in 1..rows.
        seed: Draws the first row; the rest follows from it.
        description: Label of a progress bar; none is shown without it.
        device: A PyTorch device; anything but ``cpu`` takes plain greedy on that device.

    Returns:
        int64 [n_select] distinct row numbers in the order of selection.

    Raises:
        ValueError: If ``n_select`` is not in 1..rows.
    """
    n_rows = len(features)
    if not 1 <= n_select <= n_rows:
        msg = f"{n_select} coreset rows asked of {n_rows}: must be in 1..{n_rows}."
        raise ValueError(msg)
    first = int(np.random.default_rng(seed).integers(n_rows))
    if device != "cpu":
        from reb_pipeline.search.k_center_on_device import plain_greedy

        return plain_greedy(features, n_select, first, device, description)
    # A memory map is an array like any other, but slow to index as what it is.
    order = _farthest_first(np.asarray(features), n_select, first)
    return np.fromiter(progress(order, description, total=n_select), np.int64)


def _farthest_first(features: np.ndarray, n_select: int, first: int) -> Iterator[int]:
    """Rows in the order of selection."""
    norms = np.einsum("ij,ij->i", features, features)
    # What is known of each row: the squared distance to the nearest of the first `seen` selected rows.
    squared_distance = norms + norms[first] - 2 * (features @ features[first])
    squared_distance[first] = -np.inf
    seen = np.ones(len(features), np.int32)
    selected = np.empty(n_select, np.int64)
    selected[0] = first
    n_selected = 1
    yield first
    while n_selected < n_select:
        rows, floor = _farthest(squared_distance, POOL_ROWS)
        pool = _Pool(rows, features[rows], norms[rows], squared_distance[rows], seen[rows])
        for start in range(pool.seen.min(), n_selected, CENTRES_PER_BLOCK):
            centres = selected[start : min(start + CENTRES_PER_BLOCK, n_selected)]
            pool.see(features[centres], norms[centres], start + len(centres), floor)
        squared_distance[rows], seen[rows] = pool.squared_distance, pool.seen
        pool = pool.those_beyond(floor)
        for row in pool.farthest_first(floor, n_select - n_selected):
            selected[n_selected] = row
            n_selected += 1
            yield row
        squared_distance[pool.rows], seen[pool.rows] = pool.squared_distance, n_selected


class _Floor(NamedTuple):
    """The least of a pool when it was drawn: no row outside is farther, nor as far and lower in number."""

    squared_distance: float
    row: int


def _farthest(squared_distance: np.ndarray, n: int) -> tuple[np.ndarray, _Floor]:
    """The ``n`` rows with the largest distances, the lowest rows among equals; ascending row numbers."""
    if n >= len(squared_distance):
        return np.arange(len(squared_distance)), _Floor(-np.inf, len(squared_distance))
    level = np.partition(squared_distance, -n)[-n]
    farther = np.flatnonzero(squared_distance > level)
    equal = np.flatnonzero(squared_distance == level)[: n - len(farther)]
    return np.sort(np.concatenate([farther, equal])), _Floor(level, equal[-1])


@dataclass
class _Pool:
    """Rows that may be the farthest, with what is known of them."""

    rows: np.ndarray
    features: np.ndarray
    norms: np.ndarray
    squared_distance: np.ndarray
    seen: np.ndarray

    def see(self, centres: np.ndarray, norms: np.ndarray, n_seen: int, floor: _Floor) -> None:
        """Compare with centres, up to the ``n_seen``-th selected, the rows that have not sunk below the floor."""
        behind = (self.seen < n_seen) & (self.squared_distance >= floor.squared_distance)
        late = np.flatnonzero(behind)
        to_centres = self.features[late] @ (-2 * centres).T
        to_centres += norms
        nearest = to_centres.min(axis=1) + self.norms[late]
        self.squared_distance[late] = np.minimum(self.squared_distance[late], nearest)
        self.seen[late] = n_seen

    def those_beyond(self, floor: _Floor) -> "_Pool":
        """The rows that no row outside can beat."""
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
        """Greedy selection for as long as no row outside can be farther."""
        for _ in range(min(n_most, len(self.rows))):
            farthest = int(self.squared_distance.argmax())
            distance, row = self.squared_distance[farthest], int(self.rows[farthest])
            if (distance, -row) < (floor.squared_distance, -floor.row):
                return
            yield row
            # One short product a row: BLAS would wait for its threads longer than they work.
            to_row = np.vecdot(self.features, self.features[farthest])
            to_row *= -2
            to_row += self.norms
            to_row += self.norms[farthest]
            np.minimum(self.squared_distance, to_row, out=self.squared_distance)
            self.squared_distance[farthest] = -np.inf  # never again, not even among duplicates
