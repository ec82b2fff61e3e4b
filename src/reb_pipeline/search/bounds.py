"""Space of few dimensions in which distances are lower bounds of the real ones."""

from dataclasses import dataclass

import numpy as np

# Share of the bank's variance to keep, as far as 64 directions, or a quarter of the channels, allow.
VARIANCE_SHARE = 0.95
LOWEST_SHARE = 0.7  # with less variance, too few rows are ruled out
SAMPLE_ROWS = 4096  # enough to find good directions; any orthonormal ones give valid bounds
ROWS_PER_BLOCK = 4096
# Rounding of projections and products stays below 1e-5 of |q|² + |b|²; bounds are lowered by ten times that.
SLACK = 1e-4


@dataclass(frozen=True)
class ShortSpace:
    """Leading principal directions of a bank, and one coordinate for the length of the remainder.

    Let s(x) be the coordinates of x along the directions, and r(x) the remainder of x. Because
    | |r(q)| − |r(b)| | ≤ |r(q) − r(b)|, the Euclidean distance of (s(q), |r(q)|) and (s(b), |r(b)|) is at most that of
    q and b. This holds for any orthonormal directions.

    Attributes:
        mean: The origin, float32 [channels]; an origin near the features keeps rounding small.
        directions: Orthonormal, float32 [channels, directions].
    """

    mean: np.ndarray
    directions: np.ndarray

    def queries(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert queries to the form whose products with :meth:`rows` give lower bounds.

        Args:
            features: float32 [queries, channels].

        Returns:
            Short queries, float32 [queries, directions + 2], and a term for each, float32 [queries]. Short queries @
            rows.T + term is a lower bound of the squared distances; a negative bound is valid but useless.
        """
        short = self._shorten(features)
        return np.column_stack([short, np.ones(len(short), np.float32)]), _lowered_norms(short)

    def rows(self, bank: np.ndarray) -> np.ndarray:
        """Convert bank rows to the form whose products with :meth:`queries` give lower bounds.

        Args:
            bank: float32 [rows, channels].

        Returns:
            float32 [rows, directions + 2].
        """
        short = np.empty((len(bank), self.directions.shape[1] + 2), np.float32)
        for start in range(0, len(bank), ROWS_PER_BLOCK):
            block = self._shorten(bank[start : start + ROWS_PER_BLOCK])
            short[start : start + len(block), :-1] = -2 * block
            short[start : start + len(block), -1] = _lowered_norms(block)
        return short

    def _shorten(self, features: np.ndarray) -> np.ndarray:
        centred = features - self.mean
        along = centred @ self.directions
        centred -= along @ self.directions.T  # |x|² − |s|² is inaccurate for a short remainder
        return np.column_stack([along, np.sqrt(np.einsum("ij,ij->i", centred, centred))])


def fit_short_space(bank: np.ndarray) -> ShortSpace | None:
    """Find the directions that hold most of a bank's variance.

    Args:
        bank: float32 [rows, channels].

    Returns:
        The short space; None if the variance is spread over so many channels that the bounds do not pay.
    """
    sample = bank[:: -(-len(bank) // SAMPLE_ROWS)]
    mean = sample.mean(axis=0)
    centred = sample - mean
    variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    share = np.cumsum(variances[::-1]) / max(variances.sum(), np.finfo(float).tiny)
    limit = max(64, bank.shape[1] // 4)
    n_directions = min(1 + int(np.searchsorted(share, VARIANCE_SHARE)), limit)
    if 2 * n_directions > bank.shape[1] or share[n_directions - 1] < LOWEST_SHARE:
        return None
    return ShortSpace(mean, directions[:, : -n_directions - 1 : -1].astype(np.float32))


def _lowered_norms(short: np.ndarray) -> np.ndarray:
    return np.float32(1 - SLACK) * np.einsum("ij,ij->i", short, short)
