"""Surprise: scores of different detectors in one unit, from the probability of such a score for a good image.

Surprise is -log p, where p is the share of held-out good scores that are higher. It is the statistic of Fisher's method
of combining tests (R. A. Fisher, Statistical Methods for Research Workers, 1932, section 21.1). The surprise of
held-out good scores follows an exponential distribution of mean 1 for any detector. So surprises of several detectors
may be averaged.
"""

from collections.abc import Sequence

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.scoring.anomaly_maps import resize_map
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings

TAIL = 0.1  # share of good scores that lie in the tail


def surprise(scores: np.ndarray, good_scores: np.ndarray) -> np.ndarray:
    """Convert scores to their surprise, -log p.

    Up to the upper decile of the good scores, p is interpolated linearly between them. Above it, p decays exponentially
    at the rate of the good scores there. So different anomalous scores keep different surprises, even with few good
    scores.

    Args:
        scores: Floats of any shape; higher is more anomalous.
        good_scores: Floats of any shape, from good images that the detector did not learn from.

    Returns:
        float32 of the shape of ``scores``; increases with them, strictly above the upper decile.

    Raises:
        InputError: If there are no good scores.

    Example:
        >>> usual, high, higher = surprise(np.array([50, 200, 300]), good_scores=np.arange(100))
        >>> bool(usual < 1 < high < higher)
        True
    """
    good = np.asarray(good_scores, np.float64).ravel()
    if not good.size:
        msg = "No held-out good image was scored, which p-values are read off: give at least two good images."
        raise InputError(msg)
    values, counts = np.unique(good, return_counts=True)
    # Share of scores below each value; equal scores count half.
    shares = (np.cumsum(counts) - counts / 2) / len(good)
    body_share = min(1 - TAIL, shares[-1])
    tail_start = np.interp(body_share, shares, values)
    found = np.asarray(scores, np.float64)
    body = -np.log1p(-np.minimum(np.interp(found, values, shares), body_share))
    tail = np.maximum(found - tail_start, 0) / _tail_scale(good, tail_start)
    return (body + tail).astype(np.float32)


def _tail_scale(good: np.ndarray, tail_start: float) -> float:
    """Find the score increase that adds 1 to the surprise: the mean excess, or the deviation if nothing exceeds."""
    beyond = good[good > tail_start]
    scale = (beyond - tail_start).mean() if len(beyond) else good.std()
    return float(scale) or 1.0  # equal scores have no scale


def fuse_surprise(grids: Sequence[np.ndarray]) -> np.ndarray:
    """Average the surprise of several detectors.

    Args:
        grids: Surprise of the same images' patches by each detector, float32 [images, h, w] each.

    Returns:
        float32 [images, h, w] on the finest grid; coarser grids are upsampled bilinearly.
    """
    shape = max((grid.shape[1:] for grid in grids), key=np.prod)
    same_size = [
        grid if grid.shape[1:] == shape else np.stack([resize_map(each, shape) for each in grid])
        for grid in grids
    ]
    return np.stack(same_size).mean(axis=0)


def fuse_detections(
    tested: Sequence[Detection], good: Sequence[Detection], scoring: ImageScoreSettings
) -> Detection:
    """Fuse the patch scores of several detectors by their mean surprise.

    Args:
        tested: Patch scores of the same images by each detector.
        good: Patch scores of held-out good images by each detector, in the same order.
        scoring: Name and settings of the image score.

    Returns:
        Scores on the finest grid; good patches have a mean of 1.

    Raises:
        InputError: If no good image was scored, or the image score compares neighbours.
    """
    grids = [
        surprise(np.asarray(found.patch_scores), np.asarray(usual.patch_scores))
        for found, usual in zip(tested, good, strict=True)
    ]
    return Detection.of_patches(tested[0].image_ids, fuse_surprise(grids), scoring)
