"""LDKNN: distance to the nearest bank row, corrected by that row's local density (REB section 3.4)."""

from collections.abc import Callable

import numpy as np

from reb_pipeline.neighbors.density import LocalDensity

RELATIVE_FLOOR = 1e-6  # of the mean local density: duplicates in the bank must not divide by zero


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
    floor = RELATIVE_FLOOR * float(local.mean()) or 1.0  # all rows alike: no scale to divide by
    return np.sqrt(squared_distance) / np.maximum(local, floor)[rows] ** alpha


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


def max_score(patch_scores: np.ndarray) -> np.ndarray:
    """Highest patch score of each image (REB equation 5).

    Args:
        patch_scores: float32 [images, h, w].

    Returns:
        float32 [images].
    """
    return patch_scores.max(axis=(1, 2))


def block_max_score(patch_scores: np.ndarray) -> np.ndarray:
    """Highest mean of a 3x3 block of each image, blocks side by side, as the reference code.

    Rows and columns left over at the end count for nothing; a grid smaller than a block is one block.

    Args:
        patch_scores: float32 [images, h, w].

    Returns:
        float32 [images].
    """
    n, h, w = patch_scores.shape
    side_y, side_x = min(3, h), min(3, w)
    rows, columns = h // side_y, w // side_x
    blocks = patch_scores[:, : rows * side_y, : columns * side_x].reshape(
        n, rows, side_y, columns, side_x
    )
    return blocks.mean(axis=(2, 4)).max(axis=(1, 2))


IMAGE_SCORES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "max": max_score,
    "block_max": block_max_score,
}
