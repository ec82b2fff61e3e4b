"""Alpha without labels: how fast the upper distances of good patches grow with local density.

With alpha the slope of the conditional 0.9 quantile of the good patches' distances over the local density of their
nearest coreset rows, the same share of good patches lies above any height of score wherever in feature space they are,
so that one threshold serves dense and sparse regions alike. The quantile is a high one because the score of an image
is made of its highest patches, not of its average ones.
"""

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.ldknn import divisor

QUANTILE = 0.9
BINS = 20  # of about equally many patches
MIN_PATCHES = 10 * BINS


def fit_alpha(
    squared_distance: np.ndarray,
    rows: np.ndarray,
    density: LocalDensity,
    *,
    n_neighbors: int,
    form: str = "subtract_squared",
) -> float:
    """Fit alpha on patches of good images, none of them compared with rows of its own image.

    Args:
        squared_distance: Squared Euclidean distance of each patch to its nearest coreset row, float32 of any shape.
        rows: Number of that row within the coreset, integers of the same shape.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.
        form: A key of :data:`reb_pipeline.scoring.ldknn.SCORE_FORMS`; each has a slope of its own: of squared
            distances, of distances, or of their logarithms.

    Returns:
        Alpha, at least 0; 0 where all densities are alike.

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
    """Fit a line, never a falling one, to the 0.9 quantiles of ``y`` in 20 bins of about equally many ``x``.

    Equal ``x`` share a bin, whatever the order of the points; so bins may differ in size or be fewer, and count by
    their size.

    Args:
        x: Floats [n], n at least 1.
        y: Floats [n].

    Returns:
        Slope and intercept by least squares; the slope is 0 where it would be negative or x does not vary.
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
    """Look up what alpha is fitted to in the form ``subtract_squared``.

    Args:
        found: The nearest coreset rows of patches.
        density: Local density of the coreset rows.
        n_neighbors: K of the local density.

    Returns:
        Local density of the nearest row (mean of squared distances) and squared distance to it, float32
        [images, patches] each.

    Raises:
        InputError: If the density is that of another coreset, or K is larger than its K_max.
    """
    density.check_coreset(found.coreset_fingerprint)
    n_images, h, w, _ = found.rows.shape
    local = density.mean_distance(n_neighbors, squared=True)[found.rows[..., 0]]
    distance = found.squared_distances[..., 0]
    return local.reshape(n_images, h * w), distance.reshape(n_images, h * w)
