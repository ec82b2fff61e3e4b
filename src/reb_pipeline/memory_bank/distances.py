"""Distances between patch features, each as a space of features in which it is the Euclidean one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reb_pipeline.core.errors import InputError, check_known

ROWS_TO_FIT = 50_000  # a covariance needs no more


@dataclass(frozen=True)
class FeatureSpace:
    """How features are transformed, so that Euclidean distances between them are those asked for.

    Attributes:
        distance: A key of :data:`DISTANCES`.
        mean: Subtracted first, float32 [channels]; empty where nothing is.
        whitening: Multiplied by from the right, float32 [channels, channels]; empty where nothing is.
    """

    distance: str
    mean: np.ndarray
    whitening: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Features in this space, float32 of the shape given, [..., channels]; for ``euclidean`` the same array."""
        return DISTANCES[self.distance].transform(features, self)


class Distance(NamedTuple):
    """How a space is fitted on the bank's features, and how it transforms features."""

    fit: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    transform: Callable[[np.ndarray, FeatureSpace], np.ndarray]


def fit_space(features: np.ndarray, distance: str) -> FeatureSpace:
    """The space of a distance.

    Args:
        features: The bank's features, float32 [rows, channels].
        distance: A key of :data:`DISTANCES`.

    Raises:
        InputError: If the distance is unknown, or the features have no covariance that could be inverted
            (``mahalanobis``).
    """
    check_known([distance], list(DISTANCES), "Distance")
    return FeatureSpace(distance, *DISTANCES[distance].fit(features))


def fit_nothing(_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and whitening of a space that needs neither."""
    return np.empty(0, np.float32), np.empty((0, 0), np.float32)


def fit_whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and W with W Wᵀ the inverse of the Ledoit-Wolf covariance (Ledoit and Wolf, 2004).

    Fitted on at most 50,000 rows, evenly spaced.

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
    """The features as they are."""
    return features


def to_unit_length(features: np.ndarray, _: FeatureSpace) -> np.ndarray:
    """Features of length 1: their squared Euclidean distance is 2 (1 − cos)."""
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norms, np.finfo(np.float32).tiny)  # a feature of zeros stays one


def whiten(features: np.ndarray, space: FeatureSpace) -> np.ndarray:
    """Features of unit covariance: their Euclidean distance is Mahalanobis's."""
    return (features - space.mean) @ space.whitening


DISTANCES: dict[str, Distance] = {
    "euclidean": Distance(fit_nothing, keep),
    "cosine": Distance(fit_nothing, to_unit_length),
    "mahalanobis": Distance(fit_whitening, whiten),
}
