"""Alpha without labels: the growth of good patches' upper distances with local density.

Alpha is the slope of the conditional 0.9 quantile of the good patches' distances over the local density of their
nearest coreset rows. With this alpha, the same share of good patches exceeds a given score in dense and in sparse
regions of feature space. So one threshold serves both. The quantile is high because the score of an image depends on
its highest patches, not on the average ones.

Patches of one image are alike, so it is the number of images that decides how far alpha can be trusted. Its standard
error is that of a bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 6).
"""

import logging

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.ldknn import divisor

QUANTILE = 0.9
BINS = 20  # each with about the same number of patches
MIN_PATCHES = 10 * BINS
MIN_IMAGES = 3
FEW_IMAGES = 20  # with fewer, a warning
MOST = 1.0  # the paper's weight for a whole bank; a coreset needs less
RESAMPLES = 200
MOST_PATCHES = 50_000  # patches of a resample; more would change the error little

logger = logging.getLogger(__name__)


def fit_alpha(
    squared_distance: np.ndarray,
    rows: np.ndarray,
    density: LocalDensity,
    *,
    n_neighbors: int,
    form: str = "subtract_squared",
) -> float:
    """Fit alpha on patches of good images that were not compared with rows of their own image.

    A warning says so if there are fewer than 20 images.

    Args:
        squared_distance: Squared Euclidean distance of each patch to its nearest coreset row, float32 [images, ...].
        rows: Number of that row within the coreset, integers of the same shape.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.
        form: A key of :data:`reb_pipeline.scoring.ldknn.SCORE_FORMS`. The slope is that of squared distances,
            distances, or their logarithms, depending on the form.

    Returns:
        Alpha, 0 to 1; 0 if all densities are equal.

    Raises:
        InputError: If there are fewer than 3 images or 200 patches, or K is larger than K_max of the density.
    """
    n_images, n_patches = len(squared_distance), squared_distance.size
    if not enough_to_fit(squared_distance):
        msg = (
            f"scoring.alpha = auto needs at least {MIN_IMAGES} good images with {MIN_PATCHES} patches in all, "
            f"but there are {n_images} with {n_patches}: give more good images, or set scoring.alpha to a number."
        )
        raise InputError(msg)
    if n_images < FEW_IMAGES:
        logger.warning(
            "alpha = auto is fitted to %d good images, fewer than %d: other images can give quite another "
            "alpha. Give more good images, or set scoring.alpha to a number.",
            n_images,
            FEW_IMAGES,
        )
    x, y = _axes(squared_distance, rows, density, n_neighbors, form)
    slope, _ = upper_line(x.ravel(), y.ravel())
    if slope > MOST:
        logger.info(
            "alpha = auto: a slope of %.3g is above %g, the most that is used.", slope, MOST
        )
    return min(slope, MOST)


def alpha_error(
    squared_distance: np.ndarray,
    rows: np.ndarray,
    density: LocalDensity,
    *,
    n_neighbors: int,
    form: str = "subtract_squared",
) -> float:
    """Estimate the standard error of :func:`fit_alpha` by 200 draws of as many images with replacement.

    The draws are the same in every run. Of many patches a part is drawn, the same number from each image.

    Args:
        squared_distance: As for :func:`fit_alpha`, of at least two images.
        rows: As for :func:`fit_alpha`.
        density: As for :func:`fit_alpha`.
        n_neighbors: As for :func:`fit_alpha`.
        form: As for :func:`fit_alpha`.

    Returns:
        Standard deviation of alpha over the draws.
    """
    rng = np.random.default_rng(0)
    x, y = _axes(squared_distance, rows, density, n_neighbors, form)
    n_images, n_patches = x.shape
    kept = rng.permutation(n_patches)[: max(1, MOST_PATCHES // n_images)]
    x, y = x[:, kept], y[:, kept]
    draws = rng.integers(n_images, size=(RESAMPLES, n_images))
    slopes = [upper_line(x[drawn].ravel(), y[drawn].ravel())[0] for drawn in draws]
    return float(np.std(slopes, ddof=1))


def enough_to_fit(squared_distance: np.ndarray) -> bool:
    """Return True if there are at least 3 images and 200 patches, floats [images, ...]."""
    return len(squared_distance) >= MIN_IMAGES and squared_distance.size >= MIN_PATCHES


def _axes(
    squared_distance: np.ndarray,
    rows: np.ndarray,
    density: LocalDensity,
    n_neighbors: int,
    form: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Express local density and distance of patches in the unit of a score form, floats [images, patches] each."""
    squared = form == "subtract_squared"
    local = density.mean_distance(n_neighbors, squared=squared)
    distance = squared_distance if squared else np.sqrt(squared_distance)
    if form == "ratio":
        local, distance = np.log(divisor(local)), np.log(divisor(distance))
    n_images = len(rows)
    return local[rows].reshape(n_images, -1), distance.reshape(n_images, -1)


def upper_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Fit a line that does not fall to the 0.9 quantiles of ``y`` in 20 bins of about equally many ``x``.

    Equal ``x`` always share a bin, so that the order of the points has no influence. Therefore bins may differ in size,
    or be fewer than 20; they are weighted by size.

    Args:
        x: Floats [n], n at least 1.
        y: Floats [n].

    Returns:
        Slope and intercept by least squares; the slope is 0 if it would be negative or ``x`` does not vary.

    Example:
        >>> x = np.arange(100)
        >>> slope, intercept = upper_line(x, 2 * x + 1)
        >>> round(slope, 6), round(intercept, 6)
        (2.0, 4.2)
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    bins = np.searchsorted(np.sort(x), x) * BINS // len(x)
    members = [bins == index for index in np.unique(bins)]
    sizes = np.array([chosen.sum() for chosen in members])
    centres = np.array([x[chosen].mean() for chosen in members])
    heights = np.array([np.quantile(y[chosen], QUANTILE) for chosen in members])
    slope = 0.0
    if len(members) > 1:
        spread = centres - np.average(centres, weights=sizes)
        slope = max(0.0, float((sizes * spread) @ heights / (sizes @ spread**2)))
    return slope, float(np.average(heights - slope * centres, weights=sizes))


def density_and_distance(
    found: NearestPatches, density: LocalDensity, n_neighbors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Collect the values that alpha is fitted to in the form ``subtract_squared``.

    Args:
        found: Nearest coreset rows of the patches.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.

    Returns:
        Local density of the nearest row (mean of squared distances), and squared distance to this row, float32
        [images, patches] each.

    Raises:
        InputError: If the density belongs to another coreset, or K is larger than its K_max.
    """
    density.check_searched(found)
    n_images, h, w, _ = found.rows.shape
    local = density.mean_distance(n_neighbors, squared=True)[found.rows[..., 0]]
    distance = found.squared_distances[..., 0]
    return local.reshape(n_images, h * w), distance.reshape(n_images, h * w)
