"""Patch scores in units of the good patches' spread at the same position.

The scores of good patches differ over the image: they are high where good parts vary, such as at printed letters or at
edges, and low where all parts look alike. A patch is anomalous if its score is high for its position. So the mean of
the good patches at its position is subtracted, and the difference is divided by their spread there. PaDiM (Defard et
al., 2021) models positions as well, in feature space. Where parts lie at any position, all positions are alike, and
the score is only shifted and scaled.
"""

import logging
from dataclasses import dataclass

import numpy as np

from reb_pipeline.core.errors import InputError

# With fewer images the spread at a position is too uncertain, see docs/measured/defaults.md.
MIN_IMAGES = 20
# Standard deviation in patches of the Gaussian that averages neighbouring positions.
NEIGHBOURHOOD = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GoodScores:
    """Mean and spread of the patch scores of good images, by position.

    Attributes:
        mean: float32 [h, w].
        spread: Standard deviation, float32 [h, w]; positive.

    Raises:
        InputError: If the two are not of one grid, or a spread is not positive: a negative one would turn scores over.

    Example:
        >>> scores = np.random.default_rng(0).normal(5, 2, (100, 4, 4))
        >>> good = GoodScores.of(scores)
        >>> good.standardize(scores[:1]).shape
        (1, 4, 4)
    """

    mean: np.ndarray
    spread: np.ndarray

    def __post_init__(self) -> None:
        if self.mean.shape != self.spread.shape or not (self.spread > 0).all():
            msg = "The scores of good patches need a positive spread each: run the pipeline ldknn_density again."
            raise InputError(msg)

    @classmethod
    def of(cls, patch_scores: np.ndarray) -> "GoodScores":
        """Measure the scores of good images that were not compared with rows of their own image.

        Mean and variance are averaged over neighbouring positions. The spread is at least its median over positions,
        because the least spread would otherwise turn harmless differences in a plain background into high scores.

        Args:
            patch_scores: Floats [images, h, w]; NaN outside of a region of interest, where the mean becomes 0.
        """
        scores = np.asarray(patch_scores, np.float64)
        inside = np.logical_not(np.isnan(scores).any(axis=0))
        mean = _average(scores.mean(axis=0), inside)
        spread = np.sqrt(_average(scores.var(axis=0), inside))
        least = float(np.median(spread[inside])) or float(spread.max()) or 1.0
        return cls(mean.astype(np.float32), np.maximum(spread, least).astype(np.float32))

    def standardize(self, patch_scores: np.ndarray) -> np.ndarray:
        """Subtract the mean of good patches at each position and divide by their spread.

        Args:
            patch_scores: Floats [images, h, w].

        Returns:
            float32 of the same shape.

        Raises:
            InputError: If the grids have another shape.
        """
        return standardized(patch_scores, self.mean, self.spread, "The scores of good patches")


def standardized(values: np.ndarray, mean: np.ndarray, spread: np.ndarray, what: str) -> np.ndarray:
    """Subtract the mean of good patches and divide by their spread, both by position.

    Args:
        values: Floats [images, h, w].
        mean: Floats [h, w].
        spread: Floats [h, w]; positive.
        what: Beginning of the message where the grids differ, such as "The zones".

    Returns:
        float32 [images, h, w].

    Raises:
        InputError: If the grids differ.
    """
    shape = values.shape[1:]
    if shape != mean.shape:
        msg = (
            f"{what} are of grids of {list(mean.shape)} patches, not {list(shape)}: run the pipeline ldknn_density "
            f"again."
        )
        raise InputError(msg)
    return ((values - mean) / spread).astype(np.float32, copy=False)


def _average(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Average neighbouring positions inside of a region, floats [h, w]; 0 outside."""
    from scipy.ndimage import gaussian_filter

    if inside.all():
        return np.asarray(gaussian_filter(values, NEIGHBOURHOOD))
    weights = gaussian_filter(inside.astype(np.float64), NEIGHBOURHOOD)
    sums = gaussian_filter(np.where(inside, values, 0.0), NEIGHBOURHOOD)
    return np.divide(sums, weights, out=np.zeros_like(sums), where=inside)


_TOO_FEW = {
    "normalization": (
        "Patch scores are not normalised by position: there are {} good images to measure it on, fewer than {}. "
        "Give more good images, or set scoring.normalization to none."
    ),
    "global_branch": (
        "Image scores have no global part: there are {} good images to fit it on, fewer than {}. "
        "Give more good images, or set scoring.global_branch to none."
    ),
}


def enough_images(n_images: int, least: int = MIN_IMAGES, setting: str = "normalization") -> bool:
    """Return True if there are at least 20 good images, enough for what a setting of scoring fits; otherwise warn."""
    if n_images < least:
        logger.warning("%s", _TOO_FEW[setting].format(n_images, least))
    return n_images >= least
