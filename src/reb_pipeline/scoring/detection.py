"""Scores of images and patches by any detector."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size
from reb_pipeline.images.samples import copies_of_training
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.scoring.image_scores import image_scores
from reb_pipeline.scoring.settings import ImageScoreSettings

if TYPE_CHECKING:
    import pandas as pd

# Columns of the samples that metrics, figures and pages need besides the scores.
SAMPLE_COLUMNS = (
    "id", "path", "split", "label", "defect_type", "mask_paths", "width", "height"
)  # fmt: skip


@dataclass(frozen=True)
class Detection:
    """Scores of images and of their patches.

    Attributes:
        image_ids: Ids of the images.
        image_scores: float32 [images], higher = more anomalous.
        patch_scores: float32 [images, h, w]; None if only whole images are scored.
        map_values: Values that anomaly maps show, float32 [images, h, w]; None for the patch scores.
        region: Patches that were looked at, bool [h, w]; scores and values of others are NaN. None for all.
        global_scores: Part of the image scores that the whole image adds to its patches, float32 [images]; None without
            a global branch.
        mean_features: Mean feature of each image, float32 [images, channels]; None of detectors that make none.

    Raises:
        InputError: If a score in the region is not finite: NaN is not above any threshold, and would pass as good.

    Example:
        >>> patch_scores = np.array([[[0, 1], [2, 9]]], np.float32)
        >>> found = Detection.of_patches(["part"], patch_scores, ImageScoreSettings(image_score="max"))
        >>> found.image_scores.tolist()
        [9.0]
    """

    image_ids: list[str]
    image_scores: np.ndarray
    patch_scores: np.ndarray | None
    map_values: np.ndarray | None = None
    region: np.ndarray | None = None
    global_scores: np.ndarray | None = None
    mean_features: np.ndarray | None = None

    def __post_init__(self) -> None:
        finite = np.isfinite(self.image_scores)
        for of_patches in (self.patch_scores, self.map_values):
            if of_patches is not None:
                is_known = np.isfinite(of_patches)
                if self.region is not None:
                    is_known = is_known | ~self.region
                finite = finite & is_known.all(axis=(1, 2))
        if not finite.all():
            image_id = self.image_ids[int(np.argmin(finite))]
            msg = (
                f"The scores of image {image_id!r} are not all finite numbers, so nothing can be said about it: check "
                f"the image, and make what it was compared with again."
            )
            raise InputError(msg)

    @classmethod
    def of_patches(
        cls, image_ids: list[str], patch_scores: np.ndarray, settings: ImageScoreSettings
    ) -> "Detection":
        """Score images by the scores of their patches.

        Args:
            image_ids: Ids of the images.
            patch_scores: float32 [images, h, w].
            settings: Name and settings of the image score.

        Raises:
            InputError: If the image score compares neighbours.
        """
        scores = np.asarray(patch_scores, np.float32)
        return cls(image_ids, image_scores(scores, settings), scores)

    @property
    def fingerprint(self) -> str:
        """Hash of the images and all their scores, which tables and maps of this detection keep."""
        digest = hashlib.blake2b(json.dumps(self.image_ids).encode(), digest_size=16)
        for scores in (self.image_scores, self.patch_scores, self.map_values):
            if scores is not None:
                digest.update(np.ascontiguousarray(scores, np.float32).data)
        return digest.hexdigest()

    def table(self, samples: "pd.DataFrame") -> "pd.DataFrame":
        """Make a table with one row per image: its columns :data:`SAMPLE_COLUMNS`, and ``image_score``.

        ``global_score`` is the part of it that the whole image adds, if there is a global branch.

        ``is_copy`` is True for test images with the pixels of a good training image, which metrics leave out.
        ``pose_fault`` says why an image cannot be aligned, if the samples are aligned; metrics leave it out too.
        ``part`` is the part that the image shows, if parts have several views;
        ``sha256`` and ``mask_sha256`` are the hashes of the files, if the samples have them, and
        ``detection_fingerprint`` that of the detection.

        Args:
            samples: Table of samples that contains the images, and the training images.
        """
        marked = samples.assign(is_copy=copies_of_training(samples))
        rows = marked.set_index("id").loc[self.image_ids].reset_index()
        more = ("part", "sha256", "mask_sha256", "is_copy", "pose_fault")
        known = [name for name in (*SAMPLE_COLUMNS, *more) if name in rows]
        table = rows[known].assign(
            detection_fingerprint=self.fingerprint, image_score=self.image_scores
        )
        if self.global_scores is None:
            return table
        return table.assign(global_score=self.global_scores)

    def anomaly_maps(self, size: Size, sigma: float) -> AnomalyMaps:
        """Make anomaly maps of the images; maps of zeros if only whole images are scored.

        Args:
            size: Side, or height and width, of a map in pixels.
            sigma: Standard deviation of the smoothing, in pixels of a map of 256 x 256.
        """
        values = self.patch_scores if self.map_values is None else self.map_values
        if values is None:
            values = np.zeros((len(self.image_ids), 1, 1), np.float32)
        if self.region is not None:
            values = np.where(self.region, values, np.float32(0))
        return AnomalyMaps(values, self.image_ids, size, sigma, self.fingerprint, self.region)
