"""Exact nearest neighbours in squared Euclidean distance: one bank, many searches."""

import math
from typing import Any

import numpy as np

from reb_pipeline.search.bounds import fit_short_space
from reb_pipeline.search.flat import Found, nearest_of_all
from reb_pipeline.search.multi_step import MultiStepBank, blas_on_one_thread

FEWEST_ROWS = 2048  # with fewer rows, comparing all is faster than ruling some out
FEWEST_PAIRS = 2**24  # queries x rows; with fewer pairs the preparation does not pay


class NeighborIndex:
    """Index of a bank for exact nearest neighbours, by the fastest method that suits the bank.

    - On a CUDA device: :class:`reb_pipeline.search.on_device.DeviceBank`.
    - For a bank with most of its variance in few directions, as features of networks have:
      :class:`reb_pipeline.search.multi_step.MultiStepBank`.
    - Otherwise, and for a small bank: :func:`reb_pipeline.search.flat.nearest_of_all`.

    Args:
        bank: float32 [rows, channels]; not copied if it is C-contiguous, and may be a memory map.
        n_queries: Total number of queries to come, if known.
        device: ``"cpu"`` or the name of a CUDA device.

    Example:
        >>> bank = np.array([[0, 0], [3, 4], [6, 8]], np.float32)
        >>> squared, rows = NeighborIndex(bank).search(np.array([[3, 3]], np.float32), k=2)
        >>> squared.tolist(), rows.tolist()
        ([[1.0, 18.0]], [[1, 0]])
    """

    def __init__(self, bank: np.ndarray, n_queries: float = math.inf, device: str = "cpu") -> None:
        self._bank = np.ascontiguousarray(bank)
        self._fast: Any = None
        if device != "cpu":
            from reb_pipeline.search.on_device import DeviceBank  # torch takes seconds to import

            self._fast = DeviceBank(self._bank, device)
        elif len(bank) >= FEWEST_ROWS and n_queries * len(bank) >= FEWEST_PAIRS:
            with blas_on_one_thread():
                space = fit_short_space(self._bank)
                self._fast = MultiStepBank(self._bank, space) if space else None

    def search(
        self,
        queries: np.ndarray,
        k: int,
        description: str | None = None,
        without: slice = slice(0, 0),
    ) -> Found:
        """Find the ``k`` bank rows nearest to each query.

        Args:
            queries: float32 [queries, channels].
            k: Number of neighbours.
            description: Label of the progress bar; None shows no bar.
            without: Bank rows to leave out.

        Returns:
            Squared Euclidean distances, float32 [queries, k], ascending, and the bank rows, int64 [queries, k].

        Raises:
            ValueError: If ``k`` is below 1 or above the number of rows that are not left out.
        """
        n_rows = len(self._bank) - (without.stop - without.start)
        if not 1 <= k <= n_rows:
            msg = f"k = {k} neighbours asked of a bank of {n_rows} rows: k must be in 1..{n_rows}."
            raise ValueError(msg)
        queries = np.ascontiguousarray(queries)
        if self._fast is None:
            return nearest_of_all(queries, self._bank, k, description, without)
        return self._fast.search(queries, k, description, without)


def nearest_neighbors(
    queries: np.ndarray,
    bank: np.ndarray,
    k: int,
    description: str | None = None,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` bank rows nearest to each query, for a bank that is searched only once.

    Args:
        queries: float32 [queries, channels].
        bank: float32 [rows, channels].
        k: Number of neighbours, at most ``rows``.
        description: Label of the progress bar; None shows no bar.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        Squared Euclidean distances, float32 [queries, k], ascending, and the bank rows, int64 [queries, k].

    Raises:
        ValueError: If ``k`` is not in 1..rows.
    """
    return NeighborIndex(bank, len(queries), device).search(queries, k, description)


def nearest_other_rows(
    queries: np.ndarray,
    own_rows: np.ndarray,
    bank: np.ndarray,
    k: int,
    description: str | None = None,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` nearest *other* rows of bank rows; a row is excluded from its own neighbours by its number.

    Args:
        queries: float32 [queries, channels], rows of the bank.
        own_rows: Row number of each query, integers [queries].
        bank: float32 [rows, channels].
        k: Number of neighbours, below ``rows``.
        description: Label of the progress bar; None shows no bar.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        As :func:`nearest_neighbors`.

    Raises:
        ValueError: If ``k`` is not in 0..rows - 1.
    """
    squared, rows = nearest_neighbors(queries, bank, k + 1, description, device)
    itself = rows == own_rows[:, None]
    # A row may not find itself among many exact duplicates; then its farthest neighbour is dropped.
    itself[~itself.any(axis=1), -1] = True
    return squared[~itself].reshape(-1, k), rows[~itself].reshape(-1, k)
