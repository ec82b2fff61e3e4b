"""Alpha without labels: the growth of good patches' upper distances with local density.

Alpha is the slope of the conditional 0.9 quantile of the good patches' distances over the local density of their
nearest coreset rows. With this alpha, the same share of good patches exceeds a given score in dense and in sparse
regions of feature space. So one threshold serves both. The quantile is high because the score of an image depends on
its highest patches, not on the average ones.
"""

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.ldknn import divisor

QUANTILE = 0.9
BINS = 20  # each with about the same number of patches
MIN_PATCHES = 10 * BINS


def fit_alpha(
    squared_distance: np.ndarray,
    rows: np.ndarray,
    density: LocalDensity,
    *,
    n_neighbors: int,
    form: str = "subtract_squared",
) -> float:
    """Fit alpha on patches of good images that were not compared with rows of their own image.

    Args:
        squared_distance: Squared Euclidean distance of each patch to its nearest coreset row, float32 of any shape.
        rows: Number of that row within the coreset, integers of the same shape.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.
        form: A key of :data:`reb_pipeline.scoring.ldknn.SCORE_FORMS`. The slope is that of squared distances,
            distances, or their logarithms, depending on the form.

    Returns:
        Alpha, at least 0; 0 if all densities are equal.

    Raises:
        InputError: If there are fewer than 200 patches, or K is larger than K_max of the density.
    """
    if squared_distance.size < MIN_PATCHES:
        msg = (
            f"scoring.alpha = auto needs at least {MIN_PATCHES} patches of held-out good images, but there are "
            f"{squared_distance.size}: give more good images, or set scoring.alpha to a number."
        )
        raise InputError(msg)
    squared = form == "subtract_squared"
    local = density.mean_distance(n_neighbors, squared=squared)
    distance = squared_distance if squared else np.sqrt(squared_distance)
    if form == "ratio":
        local, distance = np.log(divisor(local)), np.log(divisor(distance))
    slope, _ = upper_line(local[rows].ravel(), distance.ravel())
    return slope


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
    density.check_coreset(found.coreset_fingerprint)
    n_images, h, w, _ = found.rows.shape
    local = density.mean_distance(n_neighbors, squared=True)[found.rows[..., 0]]
    distance = found.squared_distances[..., 0]
    return local.reshape(n_images, h * w), distance.reshape(n_images, h * w)
