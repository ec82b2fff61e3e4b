"""Gaussian models of good features: one of whole images (GDE), or one per position (PaDiM)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from reb_pipeline.detectors.interface import FeatureSource, check_image_count
from reb_pipeline.memory_bank.bank import MEMORY_GIB, collect_patches
from reb_pipeline.memory_bank.filling import PatchSource, file_hashes_of, provenance_of
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.gaussians import GaussianDetector
from reb_pipeline.scoring.left_out import leave_out
from reb_pipeline.scoring.settings import GDE, PADIM, ImageScoreSettings


class Gaussians(ABC):
    """Detector of Gaussians, fitted to grids of features.

    Attributes:
        name: Its name in :mod:`reb_pipeline.detectors.registry`.
        fitted: All that scores, set by :meth:`fit`.
    """

    name: ClassVar[str]
    fitted: GaussianDetector

    @property
    def nbytes(self) -> int:
        """Bytes of the means and of the factors of the inverse covariances."""
        return self.fitted.nbytes

    def fit(self, good: FeatureSource) -> None:
        """Learn means and covariances.

        Raises:
            InputError: If there are too few images.
        """
        self.fitted = self._fit(grids_of(self.name, good))

    def detect(self, images: FeatureSource) -> Detection:
        """Score images by their distance from the mean, in standard deviations."""
        return self.fitted.detect(grids_of(self.name, images))

    def score_left_out(
        self,
        good: FeatureSource,
        n_images: int,
        memory_gib: float = MEMORY_GIB,
        description: str | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> Iterator[Detection]:
        """Score good images, each group by Gaussians of all other groups; see :mod:`reb_pipeline.scoring.left_out`.

        Args:
            good: The good images.
            n_images: Number of images, or of parts, that is enough; no further group is left out then.
            memory_gib: Memory that their features may take, in GiB.
            description: Label of the progress bar; None shows no bar.
            parts: Part of each image, by its id; None where each image is a part.
        """
        grids = grids_of(self.name, good)
        kept = collect_patches(grids.patches(), len(good.image_ids), {}, memory_gib=memory_gib)
        kept = replace(kept, image_hashes=file_hashes_of(good))
        for others, left_out in leave_out(kept, n_images, description, parts):
            yield self._fit(others).detect(left_out)

    @abstractmethod
    def _fit(self, good: PatchSource) -> GaussianDetector:
        """Fit to the grids of good images."""


@dataclass(eq=False)
class GdeDetector(Gaussians):
    """GDE: Mahalanobis distance of an image's feature from those of good images; no patch scores.

    The feature is the deepest layer, averaged over all positions and scaled to unit length. The covariance is Ledoit
    and Wolf's, so that there may be fewer images than channels. Rippel et al. 2021; reference code
    ``ADModels/ad_head.py``, ``GdeAdHead``.
    """

    name = GDE

    def _fit(self, good: PatchSource) -> GaussianDetector:
        check_image_count(good, 2, "a covariance needs more than one")
        return GaussianDetector.fit_gde(good)


@dataclass(eq=False)
class PadimDetector(Gaussians):
    """PaDiM (Defard et al. 2020): one Gaussian per position of the grid, over a random subset of the channels.

    Attributes:
        scoring: Name and settings of the image score.
        channels: Size of the subset, or all channels if there are fewer.
        seed: Draws the subset.
    """

    scoring: ImageScoreSettings = ImageScoreSettings(image_score="max")
    channels: int = 100
    seed: int = 0
    name = PADIM

    def _fit(self, good: PatchSource) -> GaussianDetector:
        check_image_count(good, 1, "there is nothing to learn from")
        return GaussianDetector.fit_padim(good, self.scoring, self.channels, self.seed)


def grids_of(name: str, images: FeatureSource) -> PatchSource:
    """Return the grids of features that the Gaussians of a detector are of.

    Args:
        name: ``gde`` or ``padim``.
        images: Features of images.
    """
    return PooledGrids(images) if name == GDE else images


@dataclass(frozen=True)
class PooledGrids:
    """Pooled features of images, as grids of one position.

    Attributes:
        images: The images.
    """

    images: FeatureSource

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images."""
        return self.images.image_ids

    @property
    def image_hashes(self) -> list[str]:
        """SHA-256 of the files of the images; none if unknown."""
        return file_hashes_of(self.images)

    @property
    def provenance(self) -> dict[str, Any]:
        """Settings that made the features; none if unknown."""
        return provenance_of(self.images)

    def patches(self) -> Iterator[tuple[str, np.ndarray]]:
        """Stream (image id, float32 [1, 1, channels])."""
        for image_id, feature in zip(self.image_ids, self.images.pooled(), strict=True):
            yield image_id, feature[None, None]
