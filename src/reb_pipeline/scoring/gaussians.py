"""Gaussians of good features as a fitted detector: one of whole images (GDE), or one per position (PaDiM).

Both measure Mahalanobis distances, GDE on grids of one position: the pooled features of the images.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from operator import iadd
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.samples import check_images, good_training
from reb_pipeline.memory_bank.extractors import differing
from reb_pipeline.memory_bank.filling import PatchSource, file_hashes_of, provenance_of
from reb_pipeline.memory_bank.grids import checked_grids
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import GAUSSIANS, GDE, PADIM, ImageScoreSettings

if TYPE_CHECKING:
    import pandas as pd

IMAGES_PER_BATCH = 16
POSITIONS_PER_BLOCK = 64
AGAIN = "run the pipeline detection again"
RIDGE = 0.01  # added to the diagonal of every covariance, PaDiM equation 1


@dataclass(frozen=True)
class Distances:
    """Distances of the patches of some images from the Gaussians of their positions, the input of all scores.

    Attributes:
        distances: In standard deviations, float32 [images, h, w].
        mean_features: Mean feature of each image, float32 [images, channels].
        image_ids: Ids of the images.
    """

    distances: np.ndarray
    mean_features: np.ndarray
    image_ids: list[str]


@dataclass(frozen=True, eq=False)
class GaussianDetector:
    """Fitted GDE or PaDiM.

    Attributes:
        name: ``gde`` or ``padim``.
        scoring: Name and settings of the image score, which PaDiM makes of its patch scores.
        channels: Numbers of the channels that are looked at, int64 [chosen].
        mean: Mean of each position, float64 [h, w, chosen].
        whitening: Factors that turn centred features into uncorrelated standard deviations, float32 or float64
            [positions, chosen, chosen].
        image_ids: Ids of the good images.
        image_hashes: SHA-256 of their files; empty if unknown.
        extractor: Settings that made the features.

    Raises:
        InputError: If the parts do not fit together, as in a file that something else has written.

    Example:
        >>> from types import SimpleNamespace
        >>> rng = np.random.default_rng(0)
        >>> grids = [(f"good {n}", rng.random((6, 6, 3), np.float32)) for n in range(9)]
        >>> good = SimpleNamespace(image_ids=[name for name, _ in grids], patches=lambda: iter(grids))
        >>> detector = GaussianDetector.fit_padim(good, ImageScoreSettings(image_score="max"))
        >>> detector.score(detector.search([("bad", np.full((6, 6, 3), 2, np.float32))])).patch_scores.shape
        (1, 6, 6)
    """

    name: str
    scoring: ImageScoreSettings
    channels: np.ndarray
    mean: np.ndarray
    whitening: np.ndarray
    image_ids: list[str]
    image_hashes: list[str]
    extractor: dict[str, Any]

    def __post_init__(self) -> None:
        chosen, positions = self.channels.size, int(np.prod(self.mean.shape[:2]))
        fits = (
            self.name in GAUSSIANS
            and self.channels.dtype == np.int64
            and chosen > 0
            and self.channels.min() >= 0
            and self.mean.ndim == 3
            and self.mean.shape[2] == chosen
            and self.whitening.shape == (positions, chosen, chosen)
            and self.mean.dtype.kind == self.whitening.dtype.kind == "f"
        )
        if not fits:
            msg = f"The parts of the detector {self.name!r} do not fit together: {AGAIN}."
            raise InputError(msg)

    @classmethod
    def fit_gde(cls, good: PatchSource) -> "GaussianDetector":
        """Fit one Gaussian to the features of whole images; its covariance is Ledoit and Wolf's.

        Args:
            good: Good images, at least two, with pooled features as grids of one position.
        """
        from sklearn.covariance import LedoitWolf

        grids = np.stack([grid for _, grid in checked_grids(good.patches())]).astype(np.float64)
        rows = grids[:, 0, 0]
        gaussian = LedoitWolf().fit(_unit_length(rows))
        values, vectors = np.linalg.eigh(gaussian.precision_)
        whitening = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
        return cls._of(
            good,
            GDE,
            ImageScoreSettings(),
            np.arange(rows.shape[1]),
            gaussian.location_[None, None],
            whitening[None],
        )

    @classmethod
    def fit_padim(
        cls,
        good: PatchSource,
        scoring: ImageScoreSettings,
        n_channels: int = 100,
        seed: int = 0,
    ) -> "GaussianDetector":
        """Fit one Gaussian per position, over a random subset of the channels.

        Good images are streamed twice. The covariances take 8 bytes x positions x channels², and twice that while they
        are inverted. For 32 x 32 positions and 100 channels this is 82 MB each.

        Args:
            good: Good images, at least one.
            scoring: Name and settings of the image score.
            n_channels: Size of the subset, or all channels if there are fewer.
            seed: Draws the subset.
        """
        n_images = len(good.image_ids)
        grids = (grid.astype(np.float64) for _, grid in checked_grids(good.patches()))
        total = reduce(iadd, grids)
        channels = np.random.default_rng(seed).permutation(total.shape[2])[:n_channels]
        mean = total[..., channels] / n_images
        vectors = (_rows(grid, channels) for _, grid in good.patches())
        centred = (batch - mean.reshape(-1, len(channels)) for batch in _batches(vectors))
        products = reduce(iadd, map(_products, centred))
        # With a single image, the ridge is the only spread.
        whitening = _whitening(products, max(1, n_images - 1))
        return cls._of(good, PADIM, scoring, channels, mean, whitening)

    @classmethod
    def _of(
        cls,
        good: PatchSource,
        name: str,
        scoring: ImageScoreSettings,
        channels: np.ndarray,
        mean: np.ndarray,
        whitening: np.ndarray,
    ) -> "GaussianDetector":
        learnt = list(good.image_ids), list(file_hashes_of(good)), provenance_of(good)
        return cls(name, scoring, channels.astype(np.int64), mean, whitening, *learnt)

    @property
    def nbytes(self) -> int:
        """Bytes of the means and the factors."""
        return self.mean.nbytes + self.whitening.nbytes

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides a score."""
        settings = json.dumps((self.name, self.scoring.model_dump(mode="json")), sort_keys=True)
        digest = hashlib.blake2b(settings.encode(), digest_size=16)
        for array in (self.channels, self.mean, self.whitening):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def check_samples(self, samples: "pd.DataFrame") -> None:
        """Check that the detector was fitted to the good training images of a table of samples.

        Raises:
            InputError: If one of these images is new, gone or changed.
        """
        images = good_training(samples)
        learnt = self.image_ids, self.image_hashes
        check_images("The detector was fitted to", images, *learnt, AGAIN)

    def check_extractor(self, extractor: dict[str, Any]) -> None:
        """Check that features come from the extractor that made those of the good images.

        Raises:
            InputError: If a setting differs, see :func:`reb_pipeline.memory_bank.extractors.differing`.
        """
        for name, used, value in differing(self.extractor, extractor):
            msg = f"The detector was fitted with {name} = {used!r}, not {value!r}: {AGAIN}, or set {name} back."
            raise InputError(msg)

    def search(self, patches: Iterable[tuple[str, np.ndarray]], device: str = "cpu") -> Distances:
        """Measure the distance of every patch from the Gaussian of its position, where a memory bank is searched.

        Args:
            patches: (image id, float32 [h, w, channels]) of each image, as extracted.
            device: Not used, for the distances are quick; a memory bank searches on it.

        Raises:
            InputError: If the grids have another shape than those of the good images.
        """
        ids, distances, means = [], [], []
        for image_id, grid in checked_grids(patches):
            ids.append(image_id)
            distances.append(self._distances(grid))
            means.append(self.mean_feature(grid))
        return Distances(np.stack(distances), np.stack(means), ids)

    def mean_feature(self, grid: np.ndarray) -> np.ndarray:
        """Compute the mean patch feature, float32 [channels], of an image's grid [h, w, channels]."""
        mean: np.ndarray = grid.mean(axis=(0, 1))
        return mean

    def score(self, found: Distances) -> Detection:
        """Score patches, and images by their patches; GDE scores whole images only.

        Args:
            found: Result of :meth:`search`.
        """
        if self.name == GDE:
            scored = Detection(found.image_ids, found.distances[:, 0, 0], None)
        else:
            scored = Detection.of_patches(found.image_ids, found.distances, self.scoring)
        return replace(scored, mean_features=found.mean_features)

    def detect(self, images: PatchSource) -> Detection:
        """Score images and their patches."""
        return self.score(self.search(images.patches()))

    def _distances(self, grid: np.ndarray) -> np.ndarray:
        """Measure the distances of the patches of one image, float32 [h, w]."""
        if grid.shape[:2] != self.mean.shape[:2] or grid.shape[2] <= self.channels.max():
            msg = (
                f"The detector was fitted to grids of {list(self.mean.shape[:2])} patches, and these features are of "
                f"the shape {list(grid.shape)}: {AGAIN}."
            )
            raise InputError(msg)
        rows = _rows(grid, self.channels)
        rows = _unit_length(rows) if self.name == GDE else rows
        centred = rows - self.mean.reshape(rows.shape)
        whitened = self.whitening @ centred.astype(self.whitening.dtype)[:, :, None]
        lengths = np.linalg.norm(whitened, axis=(1, 2))
        return lengths.reshape(grid.shape[:2]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class StoredDetector:
    """Record of the detector of the pipeline detection.

    Attributes:
        name: The detector, a value of ``scoring.detector``.
        gaussians: The fitted detector; None of those that are not packaged, of which nothing else is stored.
    """

    name: str
    gaussians: GaussianDetector | None = None


def _rows(grid: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Select channels of one image, float64 [positions, chosen channels]."""
    return grid.reshape(-1, grid.shape[2])[:, channels].astype(np.float64)


def _unit_length(rows: np.ndarray) -> np.ndarray:
    """Scale rows to unit Euclidean length, float64; rows of zeros stay unchanged."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


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
