"""LDKNN: distance to the nearest bank row, corrected by that row's local density (REB section 3.4)."""

from collections.abc import Callable

import numpy as np

from reb_pipeline.memory_bank.density import LocalDensity

RELATIVE_FLOOR = 1e-6  # of the mean over all coreset rows


def divisor(local: np.ndarray) -> np.ndarray:
    """Clip local distances to a small floor, so that duplicate rows cannot divide by zero.

    Args:
        local: Distances of coreset rows to their neighbours, float32 [coreset rows].
    """
    return np.maximum(local, floor_of(local))


def floor_of(local: np.ndarray) -> float:
    """Smallest divisor: 10⁻⁶ of the mean; 1 where all rows are alike and there is no scale."""
    return RELATIVE_FLOOR * float(local.mean()) or 1.0


def subtract_squared(
    squared_distance: np.ndarray,
    density: LocalDensity,
    rows: np.ndarray,
    n_neighbors: int,
    alpha: float,
) -> np.ndarray:
    """S = d² − α · mean of the K squared distances: the reference code, and behind the paper's tables."""
    return squared_distance - alpha * density.mean_distance(n_neighbors, squared=True)[rows]


def subtract(
    squared_distance: np.ndarray,
    density: LocalDensity,
    rows: np.ndarray,
    n_neighbors: int,
    alpha: float,
) -> np.ndarray:
    """S = d − α · mean of the K distances: the paper's text read as a difference."""
    local = density.mean_distance(n_neighbors, squared=False)[rows]
    return np.sqrt(squared_distance) - alpha * local


def ratio(
    squared_distance: np.ndarray,
    density: LocalDensity,
    rows: np.ndarray,
    n_neighbors: int,
    alpha: float,
) -> np.ndarray:
    """S = d / (mean of the K distances)^α: the paper's text read as a normalisation."""
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
    """Score patches from the distance to their nearest coreset row.

    α = 0 is plain 1-NN in every form.

    Args:
        squared_distance: Squared Euclidean distance to the nearest coreset row, float32 of any shape.
        rows: Number of that row within the coreset, integers of the same shape.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.
        alpha: Weight of the local density.
        form: A key of :data:`SCORE_FORMS`.

    Returns:
        Patch scores, float32 of the same shape; may be negative where the form subtracts.
    """
    scores = SCORE_FORMS[form](squared_distance, density, rows, n_neighbors, alpha)
    return scores.astype(np.float32, copy=False)
