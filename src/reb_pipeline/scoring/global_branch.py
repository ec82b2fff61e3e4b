"""Global part of an image score: unlikeness of a whole image to good ones.

Patch scores see patches alone, so a part that is missing, too many, or at the wrong place can pass where each patch
looks good. The global branch describes the whole image and measures the Mahalanobis distance of this description to
those of good images, with Ledoit and Wolf's covariance, so that there may be fewer images than numbers:

- ``mean``: the mean of the patch features (S. Sugawara and R. Imamura, PUAD, ICIP 2024, section 2.2);
- ``parts``: a bag of parts. K-means divides the coreset's rows into kinds of patches. A patch is of the kind of its
  nearest row, and the kinds are counted in each of 4 x 4 squares of the grid.

Distances are standardised by good images that were left out of the covariance in turn. The excess over ``EXCESS``
standard deviations adds its surprise to the image score: by so much falls the logarithm of a normal density beyond
them. Its unit is the spread of good image scores. So an image that is globally like good ones keeps its score, and
structural defects their order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from reb_pipeline.memory_bank.bank import MemoryBank
    from reb_pipeline.memory_bank.nearest_patches import NearestPatches

EXCESS = 3.0  # standard deviations of good images that add nothing
KINDS = 16  # kinds of patches
SQUARES = 4  # squares of the grid along either axis
FOLDS = 10  # groups of good images that are left out in turn
ITERATIONS = 30  # of k-means


@dataclass(frozen=True, eq=False)
class GlobalBranch:
    """Descriptions of good images as a Gaussian, and the units of its distances.

    Attributes:
        kinds: Kind of each coreset row, int64 [coreset rows]; empty for ``mean``.
        mean: Mean description, float64 [numbers].
        precision: Inverse covariance, float64 [numbers, numbers].
        centre: Mean distance of good images that were left out.
        spread: Standard deviation of these distances; positive.
        unit: Spread of good image scores, by which a surprise becomes a score.
        excess: Standard deviations that add nothing.

    Raises:
        InputError: If a spread is not positive, which would turn scores over.
    """

    FORMAT: ClassVar[int] = 2

    kinds: np.ndarray
    mean: np.ndarray
    precision: np.ndarray
    centre: float
    spread: float
    unit: float
    excess: float

    def __post_init__(self) -> None:
        if not (self.spread > 0 and self.unit > 0):
            msg = "The global branch needs positive spreads: run the pipeline ldknn_density again."
            raise InputError(msg)

    @classmethod
    def fit(
        cls, name: str, good: "NearestPatches", bank: "MemoryBank", image_scores: np.ndarray
    ) -> "GlobalBranch":
        """Fit the branch on good images that were not compared with rows of their own image.

        Args:
            name: A key of :data:`GLOBAL_BRANCHES`, other than ``none``.
            good: Nearest rows of the good images, at least as many images as folds.
            bank: The rows of the coreset.
            image_scores: Scores of these images by their patches, float32 [images].
        """
        kinds = GLOBAL_BRANCHES[name](bank.features)
        described = _describe(good, kinds, bank.region)
        folds = np.array_split(np.random.default_rng(0).permutation(len(described)), FOLDS)
        left_out = np.empty(len(described))
        for fold in folds:
            others = np.delete(described, fold, axis=0)
            left_out[fold] = _distances(described[fold], *_gaussian(others))
        return cls(
            kinds,
            *_gaussian(described),
            centre=float(left_out.mean()),
            spread=float(left_out.std()) or 1.0,
            unit=float(np.std(image_scores)) or 1.0,
            excess=EXCESS,
        )

    def scores(self, found: "NearestPatches", region: np.ndarray | None = None) -> np.ndarray:
        """Compute the global part of image scores, float32 [images]; 0 for images that are like good ones.

        Args:
            found: Nearest rows of the images.
            region: Region of interest of the bank, bool [h, w]; None for all patches.
        """
        distances = _distances(_describe(found, self.kinds, region), self.mean, self.precision)
        deviations = np.maximum((distances - self.centre) / self.spread, self.excess)
        return (self.unit * (deviations**2 - self.excess**2) / 2).astype(np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes that scoring needs in memory."""
        return self.kinds.nbytes + self.mean.nbytes + self.precision.nbytes


def _no_kinds(rows: np.ndarray) -> np.ndarray:
    return np.empty(0, np.int64)


def _kinds_of(rows: np.ndarray) -> np.ndarray:
    """Divide coreset rows into kinds of patches by k-means, int64 [rows]."""
    from sklearn.cluster import KMeans

    n_kinds = min(KINDS, len(rows))
    clusters = KMeans(n_kinds, n_init=1, max_iter=ITERATIONS, random_state=0).fit(rows)
    return clusters.labels_.astype(np.int64)


GLOBAL_BRANCHES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": _no_kinds,
    "mean": _no_kinds,
    "parts": _kinds_of,
}
"""Global branches by name: features of the coreset -> kind of each row."""


def _describe(found: "NearestPatches", kinds: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    """Describe images, float64 [images, numbers]: by their mean feature, or by the kinds of their patches."""
    if not len(kinds):
        return found.mean_features.astype(np.float64)
    of_patches = kinds[found.rows[..., 0]]
    n_kinds, n = int(kinds.max()) + 1, len(of_patches)
    squares = _squares(of_patches.shape[1:], region)
    bins = (np.arange(n)[:, None, None] * SQUARES**2 + squares) * n_kinds + of_patches
    counts = np.bincount(bins.ravel(), minlength=n * SQUARES**2 * n_kinds)
    return counts.reshape(n, -1) * (SQUARES**2 / squares.size)


def _squares(shape: tuple[int, ...], region: np.ndarray | None) -> np.ndarray:
    """Number the square of each patch, int64 of the shape of the patches of an image."""
    y, x = (
        np.arange(side) * SQUARES // side for side in (shape if region is None else region.shape)
    )
    numbers = y[:, None] * SQUARES + x
    return numbers if region is None else numbers[region][None]


def _gaussian(described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit mean and inverse covariance, shrunk by Ledoit and Wolf's share."""
    from sklearn.covariance import LedoitWolf

    gaussian = LedoitWolf().fit(described)
    return gaussian.location_, gaussian.precision_


def _distances(described: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Compute Mahalanobis distances, float64 [images]."""
    centred = described - mean
    return np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", centred, precision, centred), 0))
