"""Gaussian models of good features: one of whole images (GDE), or one per position (PaDiM)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import iadd

import numpy as np

from reb_pipeline.detectors.interface import FeatureSource, check_image_count
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings

IMAGES_PER_BATCH = 16
POSITIONS_PER_BLOCK = 64
RIDGE = 0.01  # added to the diagonal of every covariance, PaDiM equation 1


@dataclass(eq=False)
class GdeDetector:
    """GDE: Mahalanobis distance of an image's feature from those of good images; no patch scores.

    The feature is the deepest layer, averaged over all positions and scaled to unit length. The covariance is Ledoit
    and Wolf's, so that there may be fewer images than channels. Rippel et al. 2021; reference code
    ``ADModels/ad_head.py``, ``GdeAdHead``.
    """

    @property
    def nbytes(self) -> int:
        """Bytes of the mean and the inverse covariance."""
        return self._gaussian.location_.nbytes + self._gaussian.precision_.nbytes

    def fit(self, good: FeatureSource) -> None:
        """Learn the mean and the covariance.

        Raises:
            InputError: If there are fewer than two images.
        """
        from sklearn.covariance import LedoitWolf

        check_image_count(good, 2, "a covariance needs more than one")
        self._gaussian = LedoitWolf().fit(_unit_length(good.pooled()))

    def detect(self, images: FeatureSource) -> Detection:
        """Score images by their distance from the mean, in standard deviations."""
        squared = self._gaussian.mahalanobis(_unit_length(images.pooled()))
        return Detection(images.image_ids, np.sqrt(squared).astype(np.float32), None)


def _unit_length(features: np.ndarray) -> np.ndarray:
    """Scale rows to unit Euclidean length, float64; rows of zeros stay unchanged."""
    from sklearn.preprocessing import normalize

    return normalize(features.astype(np.float64))


@dataclass(eq=False)
class PadimDetector:
    """PaDiM (Defard et al. 2020): one Gaussian per position of the grid, over a random subset of the channels.

    Good images are streamed twice. The covariances take 8 bytes x positions x channels², and twice that during
    learning. For 32 x 32 positions and 100 channels this is 82 MB each.

    Attributes:
        scoring: Name and settings of the image score.
        channels: Size of the subset, or all channels if there are fewer.
        seed: Draws the subset.
    """

    scoring: ImageScoreSettings = ImageScoreSettings(image_score="max")
    channels: int = 100
    seed: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the means and the inverse Cholesky factors."""
        return self._mean.nbytes + self._whitening.nbytes

    def fit(self, good: FeatureSource) -> None:
        """Learn the mean and the covariance of every position.

        Raises:
            InputError: If there is no image.
        """
        check_image_count(good, 1, "there is nothing to learn from")
        n_images = len(good.image_ids)
        self._mean = reduce(iadd, self._vectors(good)) / n_images
        products = reduce(iadd, (_products(b - self._mean) for b in _batches(self._vectors(good))))
        # With a single image, the ridge is the only spread.
        self._whitening = _whitening(products, max(1, n_images - 1))

    def detect(self, images: FeatureSource) -> Detection:
        """Score patches by their distance from their position's mean, in standard deviations."""
        scores = []
        for _, grid in images.patches():
            h, w, _ = grid.shape
            centred = (self._subset(grid) - self._mean).astype(np.float32)
            whitened = self._whitening @ centred[:, :, None]
            scores.append(np.linalg.norm(whitened, axis=(1, 2)).reshape(h, w))
        return Detection.of_patches(images.image_ids, np.stack(scores), self.scoring)

    def _subset(self, grid: np.ndarray) -> np.ndarray:
        """Select the chosen channels of one image, float64 [positions, chosen channels]."""
        n_channels = grid.shape[2]
        chosen = np.random.default_rng(self.seed).permutation(n_channels)[: self.channels]
        return grid.reshape(-1, n_channels)[:, chosen].astype(np.float64)

    def _vectors(self, source: FeatureSource) -> Iterator[np.ndarray]:
        return (self._subset(grid) for _, grid in source.patches())


def _batches(vectors: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield several images at a time, [images, positions, channels]."""
    while batch := list(islice(vectors, IMAGES_PER_BATCH)):
        yield np.stack(batch)


def _products(centred: np.ndarray) -> np.ndarray:
    """Sum the outer products of every position over images, [positions, channels, channels]."""
    return centred.transpose(1, 2, 0) @ centred.transpose(1, 0, 2)


def _whitening(products: np.ndarray, degrees_of_freedom: int) -> np.ndarray:
    """Compute inverse Cholesky factors of the covariances, which convert vectors to uncorrelated standard deviations.

    Args:
        products: Sums of outer products, float64 [positions, channels, channels].
        degrees_of_freedom: Divisor of the sums.

    Returns:
        float32 of the same shape.
    """
    whitening = np.empty(products.shape, np.float32)
    ridge = RIDGE * np.eye(products.shape[1])
    for start in range(0, len(products), POSITIONS_PER_BLOCK):
        block = slice(start, start + POSITIONS_PER_BLOCK)
        covariances = products[block] / degrees_of_freedom + ridge
        whitening[block] = _inverse(np.linalg.cholesky(covariances))
    return whitening


def _inverse(factors: np.ndarray) -> np.ndarray:
    """Invert lower triangular matrices [matrices, n, n] by forward substitution, all matrices at once.

    For one small matrix at a time, LAPACK's threads would cost more than they save.
    """
    inverse = np.zeros_like(factors)
    for i in range(factors.shape[1]):
        inverse[:, i, i] = 1
        inverse[:, i] -= np.einsum("mk,mkj->mj", factors[:, i, :i], inverse[:, :i])
        inverse[:, i] /= factors[:, i, i, None]
    return inverse
