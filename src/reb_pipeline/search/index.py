"""Exact nearest neighbours in squared Euclidean distance: one bank, many searches."""

import math
from typing import Any

import numpy as np

from reb_pipeline.search.bounds import fit_short_space
from reb_pipeline.search.flat import Found, nearest_of_all
from reb_pipeline.search.multi_step import MultiStepBank, blas_on_one_thread

FEWEST_ROWS = 2048  # fewer are compared faster than ruled out
FEWEST_PAIRS = 2**24  # of queries and rows; fewer do not pay for the preparation


class NeighborIndex:
    """Finds the exact nearest rows of a bank, by the fastest way that the bank allows.

    - On a CUDA device: :class:`reb_pipeline.search.on_device.DeviceBank`.
    - Where few directions hold most of the bank's variance, as in features of networks:
      :class:`reb_pipeline.search.multi_step.MultiStepBank`.
    - Otherwise, and where the bank is small: :func:`reb_pipeline.search.flat.nearest_of_all`.

    Args:
        bank: float32 [rows, channels]; not copied if it is C-contiguous, and may be a memory map.
        n_queries: Number of queries that will come, if known.
        device: ``"cpu"`` or the name of a CUDA device.
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
            description: Label of a progress bar; none is shown without it.
            without: Bank rows to leave out.

        Returns:
            Squared Euclidean distances, float32 [queries, k], ascending, and the bank rows, int64 [queries, k].

        Raises:
            ValueError: If ``k`` is not in 1..rows that are not left out.
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
    """Find the ``k`` bank rows nearest to each query, where the bank is searched only once.

    Args:
        queries: float32 [queries, channels].
        bank: float32 [rows, channels].
        k: Number of neighbours, at most ``rows``.
        description: Label of a progress bar; none is shown without it.
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
    """Find the ``k`` nearest *other* rows of bank rows, each excluded from its own by its row number.

    Args:
        queries: float32 [queries, channels], rows of the bank.
        own_rows: Row number of each query, integers [queries].
        bank: float32 [rows, channels].
        k: Number of neighbours, below ``rows``.
        description: Label of a progress bar; none is shown without it.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        As :func:`nearest_neighbors`.

    Raises:
        ValueError: If ``k`` is not in 0..rows - 1.
    """
    squared, rows = nearest_neighbors(queries, bank, k + 1, description, device)
    itself = rows == own_rows[:, None]
    # Among many exact duplicates a row may miss itself; then its farthest neighbour goes instead.
    itself[~itself.any(axis=1), -1] = True
    return squared[~itself].reshape(-1, k), rows[~itself].reshape(-1, k)
