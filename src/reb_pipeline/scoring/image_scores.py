"""From the scores of an image's patches to the score of the image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reb_pipeline.core.errors import InputError, insist_known
from reb_pipeline.scoring.patch_scores import Neighborhoods, patch_scores
from reb_pipeline.search.index import nearest_other_rows

REWEIGHTED = "reweighted"


@dataclass(frozen=True)
class ImageScoreSettings:
    """Numbers that single image scores need.

    Attributes:
        top_patches: Patches averaged by ``top_k_mean``.
        quantile: Of the patch scores, in [0, 1].
        area_threshold: Patch score above which a patch counts as anomalous for ``thresholded_area``.
    """

    top_patches: int = 10
    quantile: float = 0.99
    area_threshold: float | None = None


def max_score(patch_scores: np.ndarray, _: ImageScoreSettings) -> np.ndarray:
    """Highest patch score of each image (REB equation 5)."""
    return patch_scores.max(axis=(1, 2))


def block_max_score(patch_scores: np.ndarray, _: ImageScoreSettings) -> np.ndarray:
    """Highest mean of a 3x3 block of each image, blocks side by side, as the reference code.

    Rows and columns left over at the end count for nothing; a grid smaller than a block is one block.
    """
    n, h, w = patch_scores.shape
    side_y, side_x = min(3, h), min(3, w)
    rows, columns = h // side_y, w // side_x
    blocks = patch_scores[:, : rows * side_y, : columns * side_x].reshape(
        n, rows, side_y, columns, side_x
    )
    return blocks.mean(axis=(2, 4)).max(axis=(1, 2))


def top_k_mean(patch_scores: np.ndarray, settings: ImageScoreSettings) -> np.ndarray:
    """Mean of the ``top_patches`` highest patch scores; of all where there are fewer."""
    flat = patch_scores.reshape(len(patch_scores), -1)
    n = min(settings.top_patches, flat.shape[1])
    return np.partition(flat, -n, axis=1)[:, -n:].mean(axis=1)


def quantile(patch_scores: np.ndarray, settings: ImageScoreSettings) -> np.ndarray:
    """A quantile of the patch scores, between two of them linearly."""
    return np.quantile(patch_scores, settings.quantile, axis=(1, 2))


def average(patch_scores: np.ndarray, _: ImageScoreSettings) -> np.ndarray:
    """Mean of all patch scores."""
    return patch_scores.mean(axis=(1, 2))


def thresholded_area(patch_scores: np.ndarray, settings: ImageScoreSettings) -> np.ndarray:
    """Share of patches whose score is above ``area_threshold``.

    Raises:
        InputError: If there is no threshold.
    """
    if settings.area_threshold is None:
        msg = "The image score thresholded_area needs a patch score to count from: set area_threshold."
        raise InputError(msg)
    return (patch_scores > settings.area_threshold).mean(axis=(1, 2), dtype=np.float32)


# Each takes patch scores, float32 [images, h, w], and gives float32 [images].
IMAGE_SCORES: dict[str, Callable[[np.ndarray, ImageScoreSettings], np.ndarray]] = {
    "max": max_score,
    "block_max": block_max_score,
    "top_k_mean": top_k_mean,
    "quantile": quantile,
    "average": average,
    "thresholded_area": thresholded_area,
}


def judge(
    found: Neighborhoods,
    scorer: str,
    image_score: str,
    *,
    n_neighbors: int,
    alpha: float,
    form: str,
    settings: ImageScoreSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Score patches, and images by them.

    Args:
        found: The neighbours of the patches.
        scorer: See :func:`reb_pipeline.scoring.patch_scores.patch_scores`.
        image_score: See :func:`image_scores`.
        n_neighbors: K of both.
        alpha: Of the scorer.
        form: Likewise.
        settings: Of the image score.

    Returns:
        Patch scores, float32 [images, h, w], and image scores, float32 [images].

    Raises:
        InputError: If either cannot be made of what was found.
    """
    of_patches = patch_scores(found, scorer, n_neighbors=n_neighbors, alpha=alpha, form=form)
    of_images = image_scores(
        of_patches, found, image_score, n_neighbors=n_neighbors, settings=settings
    )
    return of_patches, of_images


def image_scores(
    patch_scores: np.ndarray,
    neighborhoods: Neighborhoods,
    score: str,
    *,
    n_neighbors: int,
    settings: ImageScoreSettings,
) -> np.ndarray:
    """Score images.

    Args:
        patch_scores: float32 [images, h, w].
        neighborhoods: What they were made from; read by ``reweighted`` alone.
        score: A key of :data:`IMAGE_SCORES`, or ``reweighted``.
        n_neighbors: Number of rows that ``reweighted`` compares.
        settings: For the scores that need some.

    Returns:
        float32 [images]; higher is more anomalous.

    Raises:
        InputError: If the score is unknown or lacks what it needs.
    """
    insist_known([score], [*IMAGE_SCORES, REWEIGHTED], "Image score")
    if score == REWEIGHTED:
        return reweighted(neighborhoods, n_neighbors)
    return IMAGE_SCORES[score](patch_scores, settings)


def reweighted(neighborhoods: Neighborhoods, n_neighbors: int) -> np.ndarray:
    """PatchCore's image score (Roth et al., 2022, equation 7), on plain Euclidean distances d.

    Let p be the patch farthest from its nearest coreset row m. The score is w · d(p, m), where 1 − w is the share of m
    in the softmax of d(p, o) over b coreset rows o: m and the b − 1 nearest to it. So a patch whose nearest row lies
    apart from others counts for more. As anomalib does, m is one of the b; here it is so among exact duplicates too.

    Args:
        neighborhoods: What was found, with any number of neighbours.
        n_neighbors: b.

    Returns:
        float32 [images].

    Raises:
        InputError: If b is below 2 or above the number of coreset rows.
    """
    from scipy.special import softmax

    found, features = neighborhoods.nearest, neighborhoods.features
    if not 2 <= n_neighbors <= len(features):
        msg = (
            f"scoring.n_neighbors = {n_neighbors} cannot be used with the image score reweighted: "
            f"it must be from 2 to {len(features)}, the number of coreset rows."
        )
        raise InputError(msg)
    n = len(found.image_ids)
    peaks = found.squared_distances[..., 0].reshape(n, -1).argmax(axis=1)
    own = found.rows[..., 0].reshape(n, -1)[np.arange(n), peaks]
    _, others = nearest_other_rows(features[own], own, features, n_neighbors - 1)
    among = features[np.column_stack([own, others])]
    distances = np.linalg.norm(among - found.peak_features[:, None], axis=2)
    return (1 - softmax(distances, axis=1)[:, 0]) * distances[:, 0]
