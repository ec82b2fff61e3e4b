"""Distances between patch features, each as a space in which it is the Euclidean distance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reb_pipeline.core.errors import InputError, check_known

ROWS_TO_FIT = 50_000  # enough to fit a covariance


@dataclass(frozen=True)
class FeatureSpace:
    """Transformation of features after which their Euclidean distance is the chosen distance.

    Attributes:
        distance: A key of :data:`DISTANCES`.
        mean: Vector to subtract first, float32 [channels]; empty if the distance needs none.
        whitening: Matrix to multiply by from the right, float32 [channels, channels]; empty if not needed.

    Example:
        >>> space = fit_space(np.array([[3, 4], [0, 5]], np.float32), "cosine")
        >>> space.apply(np.array([[0, 8]], np.float32)).tolist()
        [[0.0, 1.0]]
    """

    distance: str
    mean: np.ndarray
    whitening: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Transform features, float32 [..., channels], to this space; ``euclidean`` returns the same array."""
        return DISTANCES[self.distance].transform(features, self)


class Distance(NamedTuple):
    """Functions that fit a space to the bank's features, and transform features to it."""

    fit: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    transform: Callable[[np.ndarray, FeatureSpace], np.ndarray]


def fit_space(features: np.ndarray, distance: str) -> FeatureSpace:
    """Fit the space of a distance.

    Args:
        features: The bank's features, float32 [rows, channels].
        distance: A key of :data:`DISTANCES`.

    Raises:
        InputError: If the distance is unknown, or the covariance of the features cannot be inverted (``mahalanobis``).
    """
    check_known([distance], list(DISTANCES), "Distance")
    return FeatureSpace(distance, *DISTANCES[distance].fit(features))


def fit_nothing(_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an empty mean and an empty whitening."""
    return np.empty(0, np.float32), np.empty((0, 0), np.float32)


def fit_whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the mean, and W such that W Wᵀ is the inverse Ledoit-Wolf covariance (Ledoit and Wolf, 2004).

    At most 50,000 evenly spaced rows are used.

    Raises:
        InputError: If the covariance cannot be inverted.
    """
    from scipy.linalg import cholesky, solve_triangular
    from sklearn.covariance import ledoit_wolf

    n = min(len(features), ROWS_TO_FIT)
    rows = np.linspace(0, len(features) - 1, n).astype(np.int64)
    sample = features[rows].astype(np.float64)
    mean = sample.mean(axis=0)
    sample -= mean
    covariance, _ = ledoit_wolf(sample, assume_centered=True)
    try:
        factor = cholesky(covariance, lower=True)
    except np.linalg.LinAlgError:
        msg = (
            "memory_bank.distance = mahalanobis needs features that vary, but those of the good images are all alike: "
            "use euclidean."
        )
        raise InputError(msg) from None
    whitening = solve_triangular(factor, np.eye(len(factor)), lower=True).T
    return mean.astype(np.float32), np.ascontiguousarray(whitening, np.float32)


def keep(features: np.ndarray, _: FeatureSpace) -> np.ndarray:
    """Return the features unchanged."""
    return features


def to_unit_length(features: np.ndarray, _: FeatureSpace) -> np.ndarray:
    """Scale features to length 1; their squared Euclidean distance is then 2 (1 − cos)."""
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norms, np.finfo(np.float32).tiny)  # zeros stay zeros


def whiten(features: np.ndarray, space: FeatureSpace) -> np.ndarray:
    """Transform features to unit covariance; their Euclidean distance is then the Mahalanobis distance."""
    return (features - space.mean) @ space.whitening


DISTANCES: dict[str, Distance] = {
    "euclidean": Distance(fit_nothing, keep),
    "cosine": Distance(fit_nothing, to_unit_length),
    "mahalanobis": Distance(fit_whitening, whiten),
}
