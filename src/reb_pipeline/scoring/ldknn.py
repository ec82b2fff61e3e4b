"""LDKNN: distance to the nearest bank row, corrected by that row's local density (REB section 3.4)."""

from collections.abc import Callable

import numpy as np

from reb_pipeline.memory_bank.density import LocalDensity

RELATIVE_FLOOR = 1e-6  # share of the mean over all coreset rows


def divisor(local: np.ndarray) -> np.ndarray:
    """Clip local distances to a small floor, so that duplicate rows cannot divide by zero.

    Args:
        local: Distances of coreset rows to their neighbours, float32 [coreset rows].
    """
    return np.maximum(local, floor_of(local))


def floor_of(local: np.ndarray) -> float:
    """Compute the smallest divisor: 10⁻⁶ of the mean distance; 1 if the mean is 0."""
    return RELATIVE_FLOOR * float(local.mean()) or 1.0


def subtract_squared(
    squared_distance: np.ndarray,
    density: LocalDensity,
    rows: np.ndarray,
    n_neighbors: int,
    alpha: float,
) -> np.ndarray:
    """Compute S = d² − α · mean of the K squared distances, as the reference code and the paper's tables."""
    return squared_distance - alpha * density.mean_distance(n_neighbors, squared=True)[rows]


def subtract(
    squared_distance: np.ndarray,
    density: LocalDensity,
    rows: np.ndarray,
    n_neighbors: int,
    alpha: float,
) -> np.ndarray:
    """Compute S = d − α · mean of the K distances: the paper's text, read as a difference."""
    local = density.mean_distance(n_neighbors, squared=False)[rows]
    return np.sqrt(squared_distance) - alpha * local


def ratio(
    squared_distance: np.ndarray,
    density: LocalDensity,
    rows: np.ndarray,
    n_neighbors: int,
    alpha: float,
) -> np.ndarray:
    """Compute S = d / (mean of the K distances)^α: the paper's text, read as a normalisation."""
    local = density.mean_distance(n_neighbors, squared=False)
    return np.sqrt(squared_distance) / divisor(local)[rows] ** alpha


SCORE_FORMS: dict[str, Callable[..., np.ndarray]] = {
    "subtract_squared": subtract_squared,
    "subtract": subtract,
    "ratio": ratio,
}


def ldknn_scores(
    squared_distance: np.ndarray,
    rows: np.ndarray,
    density: LocalDensity,
    *,
    n_neighbors: int,
    alpha: float,
    form: str = "subtract_squared",
) -> np.ndarray:
    """Score patches by the distance to their nearest coreset row and the local density of that row.

    α = 0 gives plain 1-NN in every form.

    Args:
        squared_distance: Squared Euclidean distance to the nearest coreset row, float32 of any shape.
        rows: Number of that row within the coreset, integers of the same shape.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.
        alpha: Weight of the local density.
        form: A key of :data:`SCORE_FORMS`.

    Returns:
        Patch scores, float32 of the same shape; forms that subtract may give negative scores.

    Example:
        >>> density = LocalDensity(np.array([[1], [4]], np.float32), coreset_fingerprint="")
        >>> squared, rows = np.array([5, 5], np.float32), np.array([0, 1])
        >>> ldknn_scores(squared, rows, density, n_neighbors=1, alpha=1.0).tolist()
        [4.0, 1.0]
    """
    scores = SCORE_FORMS[form](squared_distance, density, rows, n_neighbors, alpha)
    return scores.astype(np.float32, copy=False)
