"""Coreset selection: fewer bank rows that still cover the bank."""

from collections.abc import Iterator

import numpy as np

from reb_pipeline.neighbors.bank import Coreset, MemoryBank
from reb_pipeline.progress import progress

POOL_ROWS = 2048  # a pool of this many rows stays in the processor's cache
ROWS_PER_BLOCK = 8192


def select_coreset(
    bank: MemoryBank, ratio: float, seed: int, description: str | None = None
) -> Coreset:
    """Select a share of the bank by greedy k-centre; all of it, in order, where the share is 1.

    Args:
        bank: The memory bank.
        ratio: Share of its rows, in (0, 1]; at least one row is selected.
        seed: See :func:`greedy_k_center`.
        description: Label of a progress bar.
    """
    n_rows = len(bank.features)
    if ratio == 1:
        return Coreset(np.arange(n_rows), n_rows)
    n_select = max(1, int(n_rows * ratio))
    return Coreset(greedy_k_center(bank.features, n_select, seed, description), n_rows)


def greedy_k_center(
    features: np.ndarray, n_select: int, seed: int, description: str | None = None
) -> np.ndarray:
    """Select rows by greedy k-centre: again and again the row farthest from all selected ones.

    Its covering radius is at most twice the best possible (Gonzalez, 1985); PatchCore section 3.2.

    The selection is exact, yet most steps look at a small pool of far rows only: distances to the selected rows never
    grow, so as long as the farthest row of the pool is farther than every row outside was when the pool was drawn, it
    is the farthest of all. Then all rows are updated at once, by one matrix product.

    Args:
        features: float32 [rows, channels].
        n_select: Number of rows to select, in 1..rows.
        seed: Draws the first row; the rest follows from it.
        description: Label of a progress bar; none is shown without it.

    Returns:
        int64 [n_select] distinct row numbers in the order of selection.

    Raises:
        ValueError: If ``n_select`` is not in 1..rows.
    """
    n_rows = len(features)
    if not 1 <= n_select <= n_rows:
        msg = f"{n_select} coreset rows asked of {n_rows}: must be in 1..{n_rows}."
        raise ValueError(msg)
    norms = np.einsum("ij,ij->i", features, features)
    squared_distance = np.full(n_rows, np.inf, np.float32)
    selected = [int(np.random.default_rng(seed).integers(n_rows))]
    _cover(features, norms, squared_distance, selected)
    steps = iter(progress(range(1, n_select), description))
    while len(selected) < n_select:
        pool = _farthest(squared_distance, POOL_ROWS)
        outside = squared_distance[pool].min() if len(pool) < n_rows else -np.inf
        fresh = _select_within(features[pool], norms[pool], squared_distance[pool], outside, steps)
        selected += pool[fresh].tolist()
        _cover(features, norms, squared_distance, pool[fresh])
    return np.array(selected, np.int64)


def _farthest(squared_distance: np.ndarray, n: int) -> np.ndarray:
    """The ``n`` rows farthest from the selected ones, lowest row first so that ties go to it."""
    if n >= len(squared_distance):
        return np.arange(len(squared_distance))
    return np.sort(np.argpartition(squared_distance, -n)[-n:])


def _select_within(
    features: np.ndarray,
    norms: np.ndarray,
    squared_distance: np.ndarray,
    outside: float,
    steps: Iterator[int],
) -> list[int]:
    """Greedy selection inside a pool for as long as nothing outside can be farther."""
    chosen: list[int] = []
    farthest = int(squared_distance.argmax())
    while (not chosen or squared_distance[farthest] > outside) and next(steps, None) is not None:
        chosen.append(farthest)
        to_chosen = norms - 2 * (features @ features[farthest]) + norms[farthest]
        np.minimum(squared_distance, to_chosen, out=squared_distance)
        squared_distance[farthest] = -np.inf  # never again, not even among exact duplicates
        farthest = int(squared_distance.argmax())
    return chosen


def _cover(
    features: np.ndarray,
    norms: np.ndarray,
    squared_distance: np.ndarray,
    fresh: np.ndarray | list[int],
) -> None:
    """Update every row's distance to the selected ones by the freshly selected."""
    centres = -2 * features[fresh].T
    for start in range(0, len(features), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        to_fresh = (features[rows] @ centres + norms[fresh]).min(axis=1) + norms[rows]
        np.minimum(squared_distance[rows], to_fresh, out=squared_distance[rows])
    squared_distance[fresh] = -np.inf
