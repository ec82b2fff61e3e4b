"""Image scores: the score of an image from the scores of its patches.

Patches outside of a region of interest have the score NaN and do not count.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from reb_pipeline.core.errors import InputError
from reb_pipeline.search.index import nearest_other_rows

if TYPE_CHECKING:
    from reb_pipeline.memory_bank.nearest_patches import NearestPatches
    from reb_pipeline.scoring.detector import MemoryBankDetector
    from reb_pipeline.scoring.settings import ImageScoreSettings

WINDOW = 3  # patches; side of the squares that are averaged
MUCH_LEFT_OUT = 0.2  # share of the grid

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageScore:
    """Entry of the registry of image scores.

    Attributes:
        score: Function of patch scores, float32 [images, h, w], and settings that returns float32 [images]. A score
            that compares neighbours takes nearest patches and the detector instead.
        compares_neighbors: True if the score reads the neighbours of the patches instead of the patch scores.
    """

    score: Callable[..., np.ndarray]
    compares_neighbors: bool = False


def max_score(patch_scores: np.ndarray, _: Any) -> np.ndarray:
    """Take the highest patch score of each image (REB equation 5)."""
    return _of_patches(patch_scores).max(axis=1)


def block_max_score(patch_scores: np.ndarray, _: Any) -> np.ndarray:
    """Take the highest mean over blocks of 3x3 patches that do not overlap, as the reference code.

    Rows and columns that remain at the end are left out, so a defect there does not change the score: 12 % of a grid of
    32x32 patches, 44 % of one of 8x8. A warning says so where it is more than 20 %. A grid smaller than a block is one
    block. Of a block that is partly outside of the region, the patches inside are averaged.

    Raises:
        InputError: If no patch of the region, or of a zone that is scored alone, is in a block.
    """
    n, h, w = patch_scores.shape
    side_y, side_x = min(WINDOW, h), min(WINDOW, w)
    rows, columns = h // side_y, w // side_x
    _warn_of_patches_left_out(h, w)
    blocks = patch_scores[:, : rows * side_y, : columns * side_x].reshape(
        n, rows, side_y, columns, side_x
    )
    n_inside = (~np.isnan(blocks)).sum(axis=(2, 4))
    if n and not n_inside.any():
        msg = (
            "The image score block_max leaves out the last rows and columns of patches, and the zone or region of "
            "interest lies in them: set scoring.image_score to mean_max, which reads every patch."
        )
        raise InputError(msg)
    means = np.nansum(blocks, axis=(2, 4)) / np.maximum(n_inside, 1).astype(blocks.dtype)
    return np.where(n_inside > 0, means, -np.inf).max(axis=(1, 2))


def left_out_share(h: int, w: int) -> float:
    """Compute the share of a grid's patches that ``block_max`` leaves out.

    Args:
        h: Height of the grid in patches.
        w: Width of the grid in patches.

    Example:
        >>> left_out_share(8, 8)
        0.4375
    """
    side_y, side_x = min(WINDOW, h), min(WINDOW, w)
    return 1 - (h - h % side_y) * (w - w % side_x) / (h * w)


@cache  # one warning a grid, not one an image
def _warn_of_patches_left_out(h: int, w: int) -> None:
    share = left_out_share(h, w)
    if share > MUCH_LEFT_OUT:
        log.warning(
            "The image score block_max leaves out the last rows and columns of the grid of %d x %d patches, %.0f %% of "
            "all: a defect there is not found. Set scoring.image_score to mean_max, which reads every patch.",
            h,
            w,
            100 * share,
        )


def mean_max_score(patch_scores: np.ndarray, _: Any) -> np.ndarray:
    """Take the highest mean over all squares of 3x3 patches, which overlap: one around each patch.

    At the border, where a part of the square lies outside of the grid or the region, it is the mean of the patches
    inside: four at a corner. So every patch counts.
    """
    return _window_means(patch_scores).max(axis=1)


def ranked_mean_score(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
    """Average the highest means of 3x3 patches with weights 1, 1/2, 1/3, …, over the share ``top_share``.

    The highest counts most, so that a small defect is found; those below it count more together, so that a large faint
    one is found as well. The squares are those of ``mean_max``.
    """
    means = _window_means(patch_scores)
    n = _top_patches(patch_scores, settings)
    highest = -np.sort(-means, axis=1)[:, :n]
    weights = 1 / np.arange(1, n + 1)
    return highest @ (weights / weights.sum())


def _window_means(patch_scores: np.ndarray) -> np.ndarray:
    """Average the square of 3x3 patches around each patch, of the patches inside; floats [n, patches inside]."""
    inside = _inside(patch_scores)
    sums = _window_sums(np.where(inside, patch_scores, patch_scores.dtype.type(0)))
    counts = _window_sums(inside[None].astype(patch_scores.dtype))
    return sums[:, inside] / counts[:, inside]


def _inside(patch_scores: np.ndarray) -> np.ndarray:
    """Find the patches that have a score in all images, bool [h, w]."""
    return ~np.isnan(patch_scores).any(axis=0)


def _of_patches(patch_scores: np.ndarray) -> np.ndarray:
    """List the scores of the patches inside, floats [images, patches]."""
    return patch_scores[:, _inside(patch_scores)]


def _window_sums(grids: np.ndarray) -> np.ndarray:
    """Add up the square of 3x3 patches around each patch, floats [n, h, w]; nothing is added outside of the grid."""
    margin = WINDOW // 2
    padded = np.pad(grids, ((0, 0), (margin, margin), (margin, margin)))
    return sliding_window_view(padded, (WINDOW, WINDOW), axis=(1, 2)).sum(axis=(3, 4))


def top_k_mean(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
    """Average the ``top_patches`` highest patch scores; all if there are fewer."""
    return _mean_of_highest(patch_scores, settings.top_patches)


def top_share_mean(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
    """Average the share ``top_share`` of patches with the highest scores, at least one patch."""
    return _mean_of_highest(patch_scores, _top_patches(patch_scores, settings))


def _top_patches(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> int:
    """Compute the number of patches in the share ``top_share`` of those inside, at least one."""
    return max(1, round(settings.top_share * int(_inside(patch_scores).sum())))


def _mean_of_highest(patch_scores: np.ndarray, n_patches: int) -> np.ndarray:
    flat = _of_patches(patch_scores)
    n = min(n_patches, flat.shape[1])
    return np.partition(flat, -n, axis=1)[:, -n:].mean(axis=1)


def quantile(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
    """Take a quantile of the patch scores, with linear interpolation."""
    return np.quantile(_of_patches(patch_scores), settings.quantile, axis=1)


def average(patch_scores: np.ndarray, _: Any) -> np.ndarray:
    """Average all patch scores."""
    return _of_patches(patch_scores).mean(axis=1)


def thresholded_area(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
    """Compute the share of patches whose score is above ``area_threshold``."""
    return (_of_patches(patch_scores) > settings.area_threshold).mean(axis=1, dtype=np.float32)


def reweighted(nearest: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Compute PatchCore's image score (Roth et al., 2022, equation 7), on plain Euclidean distances d.

    Let p be the patch that is farthest from its nearest coreset row m, and let b be ``n_neighbors``. The score is
    w · d(p, m), where 1 − w is the share of m in the softmax of d(p, o) over b coreset rows o. These rows are m and the
    b − 1 rows nearest to m. So a patch whose nearest row is isolated gets a higher score.

    As in anomalib, m itself is one of the b rows; here this also holds among exact duplicates.

    Raises:
        InputError: If b is above the number of coreset rows.
    """
    from scipy.special import softmax

    features, n_neighbors = detector.features, detector.scoring.n_neighbors
    if n_neighbors > len(features):
        msg = (
            f"scoring.n_neighbors = {n_neighbors} cannot be used with the image score reweighted: "
            f"it must be from 2 to {len(features)}, the number of coreset rows."
        )
        raise InputError(msg)
    n = len(nearest.image_ids)
    peaks = nearest.squared_distances[..., 0].reshape(n, -1).argmax(axis=1)
    own = nearest.rows[..., 0].reshape(n, -1)[np.arange(n), peaks]
    _, others = nearest_other_rows(features[own], own, features, n_neighbors - 1)
    among = features[np.column_stack([own, others])]
    distances = np.linalg.norm(among - nearest.peak_features[:, None], axis=2)
    return (1 - softmax(distances, axis=1)[:, 0]) * distances[:, 0]


IMAGE_SCORES: dict[str, ImageScore] = {
    "block_max": ImageScore(block_max_score),
    "mean_max": ImageScore(mean_max_score),
    "max": ImageScore(max_score),
    "ranked_mean": ImageScore(ranked_mean_score),
    "top_k_mean": ImageScore(top_k_mean),
    "top_share_mean": ImageScore(top_share_mean),
    "quantile": ImageScore(quantile),
    "average": ImageScore(average),
    "thresholded_area": ImageScore(thresholded_area),
    "reweighted": ImageScore(reweighted, compares_neighbors=True),
}


def image_scores(patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
    """Score images by the scores of their patches.

    Args:
        patch_scores: float32 [images, h, w]; NaN for patches that do not count, the same of all images.
        settings: Name and settings of the image score.

    Returns:
        float32 [images]; higher is more anomalous, NaN if no patch counts.

    Raises:
        InputError: If the image score compares neighbours, because patch scores alone do not contain them.
    """
    chosen = IMAGE_SCORES[settings.image_score]
    if chosen.compares_neighbors:
        known = [name for name, score in IMAGE_SCORES.items() if not score.compares_neighbors]
        msg = (
            f"The image score {settings.image_score} compares the neighbours of a patch, which this detector does not "
            f"search: set scoring.image_score to one of {', '.join(known)}."
        )
        raise InputError(msg)
    if len(patch_scores) and not _inside(patch_scores).any():
        return np.full(len(patch_scores), np.nan, np.float32)  # which a Detection refuses
    return chosen.score(patch_scores, settings).astype(np.float32, copy=False)
