"""Coreset selection: fewer bank rows that still cover the bank."""

import numpy as np

from reb_pipeline.neighbors.bank import Coreset, MemoryBank
from reb_pipeline.progress import progress


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
    if not 1 <= n_select <= len(features):
        msg = f"{n_select} coreset rows asked of {len(features)}: must be in 1..{len(features)}."
        raise ValueError(msg)
    squared_norms = np.einsum("ij,ij->i", features, features)
    selected = np.empty(n_select, np.int64)
    selected[0] = np.random.default_rng(seed).integers(len(features))
    squared_distance = np.full(len(features), np.inf, np.float32)
    steps = range(1, n_select)
    for step in progress(steps, description) if description else steps:
        last = selected[step - 1]
        to_last = squared_norms - 2 * (features @ features[last]) + squared_norms[last]
        np.minimum(squared_distance, to_last, out=squared_distance)
        squared_distance[last] = -np.inf  # never again, not even among exact duplicates
        selected[step] = squared_distance.argmax()
    return selected
