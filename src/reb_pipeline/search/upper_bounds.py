"""Upper bounds of the distance to the nearest selected row, from selected rows that are probably near."""

import numpy as np

DIRECTIONS = 32  # at most an eighth of the channels
SAMPLE_ROWS = 1024  # enough to find directions in which near rows are mostly near
ITERATIONS = 2
ROWS_PER_CHUNK = 512  # with the selected rows of a block: 1 MiB
CENTRES_PER_BLOCK = 512
LEAST_SHARE = 1 / 2  # of the comparisons along few directions; 0.65 still save a third of the time


class UpperBounds:
    """Upper bounds of rows' distances, lowered by comparing a row with one selected row of each block.

    The row of a block that is nearest along a few leading directions is compared in full. It need not be the nearest
    of its block: its distance is an upper bound all the same, and that is enough for a row that need not be selected.

    Args:
        features: float32 [rows, channels]; only read.
        norms: Squared lengths of the rows, float32 [rows].
        selected: Numbers of the selected rows in order, int64 [selected]; only those selected so far are read.
    """

    def __init__(self, features: np.ndarray, norms: np.ndarray, selected: np.ndarray) -> None:
        self._features = features
        self._norms = norms
        self._selected = selected
        self._directions = _leading_directions(features)
        n_directions = self._directions.shape[1]
        # Product with (short row, 1): the squared distance but for the row's length and all other directions.
        self._short_centres = np.empty((len(selected), n_directions + 1), np.float32)
        self._n_centres = 0
        # Number of selected rows that each row was compared with.
        self._compared = np.zeros(len(features), np.int32)
        self._asked = self._saved = 0
        self.pay = n_directions > 0

    def lower(
        self,
        rows: np.ndarray,
        floor: float,
        n_selected: int,
        squared_distance: np.ndarray,
        seen: np.ndarray,
    ) -> np.ndarray:
        """Lower distances until they are below a floor or all selected rows were looked at.

        Afterwards ``pay`` is false if too few rows fall below their floors, counted by comparisons.

        Args:
            rows: Row numbers, int64 [n].
            floor: Rows with smaller distances are done.
            n_selected: Number of rows selected so far.
            squared_distance: Known distance of every row, float32 [rows]; lowered in place.
            seen: For every row, how many selected rows its distance takes into account, int32 [rows].

        Returns:
            The rows that are not below the floor, int64.
        """
        self._shorten(n_selected)
        self._compared[rows] = np.maximum(self._compared[rows], seen[rows])
        behind = self._n_centres - self._compared[rows]
        for start in range(0, len(rows), ROWS_PER_CHUNK):
            self._lower_chunk(rows[start : start + ROWS_PER_CHUNK], floor, squared_distance)
        below = squared_distance[rows] < floor
        self._asked += int(behind.sum())
        self._saved += int(behind[below].sum())
        self.pay = self._saved >= LEAST_SHARE * self._asked
        return rows[~below]

    def _shorten(self, n_selected: int) -> None:
        """Take up the rows that were selected since the last time."""
        fresh = slice(self._n_centres, n_selected)
        rows = self._selected[fresh]
        self._short_centres[fresh, :-1] = -2 * (self._features[rows] @ self._directions)
        self._short_centres[fresh, -1] = self._norms[rows]
        self._n_centres = n_selected

    def _lower_chunk(self, rows: np.ndarray, floor: float, squared_distance: np.ndarray) -> None:
        features, squared = self._features[rows], squared_distance[rows]
        compared = self._compared[rows]
        short = np.ones_like(features, shape=(len(rows), self._short_centres.shape[1]))
        np.matmul(features, self._directions, out=short[:, :-1])
        for start in range(int(compared.min()), self._n_centres, CENTRES_PER_BLOCK):
            stop = min(start + CENTRES_PER_BLOCK, self._n_centres)
            late = np.flatnonzero((compared < stop) & (squared >= floor))
            nearest = (short[late] @ self._short_centres[start:stop].T).argmin(axis=1)
            centres = self._selected[start + nearest]
            to_centre = np.vecdot(features[late], self._features[centres])
            to_centre *= -2
            to_centre += self._norms[centres]
            to_centre += self._norms[rows[late]]
            squared[late] = np.minimum(squared[late], to_centre)
            compared[late] = stop
        squared_distance[rows], self._compared[rows] = squared, compared


def _leading_directions(features: np.ndarray) -> np.ndarray:
    """Find directions that hold most of the features' squared length by subspace iteration (Halko et al., 2011).

    Returns:
        Orthonormal, float32 [channels, directions].
    """
    sample = features[:: -(-len(features) // SAMPLE_ROWS)]
    n_directions = min(DIRECTIONS, features.shape[1] // 8, len(sample))
    start = np.random.default_rng(0).standard_normal((features.shape[1], n_directions), np.float32)
    for _ in range(ITERATIONS):
        start = np.linalg.qr(sample.T @ (sample @ start)).Q
    return np.ascontiguousarray(start)
