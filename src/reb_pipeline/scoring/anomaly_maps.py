"""Anomaly maps at image resolution, made from patch scores one image at a time."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.images.pose import Placement
from reb_pipeline.images.samples import POSED, placements_of

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_SIZE = 256  # the image side at which the reference smooths with sigma 4


@dataclass(frozen=True)
class AnomalyMaps:
    """Anomaly maps of many images, stored as patch scores; ``maps[id]`` computes one at full resolution.

    Attributes:
        patch_scores: float32 [images, h, w].
        image_ids: Ids of the images.
        size: Side, or height and width, of a map in pixels.
        sigma: Standard deviation of the Gaussian smoothing, in pixels of a map of side 256; scaled with ``size``.
        detection_fingerprint: Hash of the detection, see :attr:`reb_pipeline.scoring.detection.Detection.fingerprint`;
            empty if an older record does not say.
        region: Patches that were looked at, bool [h, w]; maps are 0 outside. None for all.
        placements: Degrees, shift to the right and down, and width over height, of images that were aligned before they
            were scored, float64 [images, 4]; maps are those of the images as they were taken. None if none was.

    Example:
        >>> maps = AnomalyMaps(np.ones((1, 4, 4), np.float32), ["part"], size=8, sigma=4.0)
        >>> maps["part"].shape, maps.at("part", (6, 10)).shape
        ((8, 8), (6, 10))
    """

    FORMAT: ClassVar[int] = 4

    patch_scores: np.ndarray
    image_ids: list[str]
    size: Size
    sigma: float
    detection_fingerprint: str = ""
    region: np.ndarray | None = None
    placements: np.ndarray | None = None

    def placed(self, samples: "pd.DataFrame") -> "AnomalyMaps":
        """Bring maps of aligned images back to the images as they were taken.

        Args:
            samples: Table of samples that contains the images; maps stay as they are if it has no poses.
        """
        if POSED not in samples:
            return self
        table = samples.set_index("id").loc[self.image_ids]
        aspects = (table["width"] / table["height"]).tolist()
        rows = [
            (one.degrees, one.right, one.down, aspect)
            for one, aspect in zip(placements_of(table), aspects, strict=True)
        ]
        return replace(self, placements=np.array(rows, np.float64).reshape(-1, 4))

    def check_detection(self, what: str, fingerprints: Iterable[str]) -> None:
        """Check that something else is of the same detection.

        Args:
            what: Name of it, such as "scores".
            fingerprints: Its fingerprints of detections; none if it is of an older version.

        Raises:
            InputError: If it is of another detection.
        """
        if self.detection_fingerprint and not {self.detection_fingerprint}.issuperset(fingerprints):
            msg = (
                f"The {what} and the anomaly maps are of different detectors or images: load the versions of one run, "
                f"or run the node that makes both again, and what follows it."
            )
            raise InputError(msg)

    def __getitem__(self, image_id: str) -> np.ndarray:
        """Compute the anomaly map of one image, float32 [height, width].

        Raises:
            KeyError: If there is no such image.
        """
        if image_id not in self.image_ids:
            raise KeyError(image_id)
        return self._map(self.image_ids.index(image_id))

    def at(self, image_id: str, shape: tuple[int, int]) -> np.ndarray:
        """Compute the anomaly map of one image and resize it bilinearly to ``shape``, float32 [height, width]."""
        return resize_map(self[image_id], shape)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (id, map) of every image, with one map in memory at a time."""
        for index, image_id in enumerate(self.image_ids):
            yield image_id, self._map(index)

    def outside(self, image_id: str, shape: tuple[int, int]) -> np.ndarray | None:
        """Find the pixels of a map that were not looked at, bool [height, width]; None if all were.

        Args:
            image_id: Id of the image.
            shape: Height and width of the map in pixels.
        """
        if self.region is None:
            return None
        outside = ~region_at(self.region, shape)
        placement, aspect = self._placement(self.image_ids.index(image_id))
        return placement.back(outside, aspect, 0)

    def _map(self, index: int) -> np.ndarray:
        found = anomaly_map(self.patch_scores[index], self.size, self.sigma, self.region)
        return brought_back(found, *self._placement(index))

    def _placement(self, index: int) -> tuple[Placement, float]:
        if self.placements is None:
            return Placement(), 1.0
        degrees, right, down, aspect = self.placements[index].tolist()
        return Placement(degrees, right, down), aspect

    def __len__(self) -> int:
        return len(self.image_ids)


def anomaly_map(
    patch_scores: np.ndarray, size: Size, sigma: float, region: np.ndarray | None = None
) -> np.ndarray:
    """Upsample patch scores bilinearly and smooth them with a Gaussian, as in PatchCore and the reference code.

    Args:
        patch_scores: float32 [h, w].
        size: Side, or height and width, of the map in pixels.
        sigma: Standard deviation in pixels of a map of 256 x 256; scaled with the square root of the area.
        region: Patches that were looked at, bool [h, w]; scores of others are not read. None for all.

    Returns:
        float32 [height, width], within the range of ``patch_scores``. Outside of the region it is 0, or the lowest
        value inside if that is negative, so that nothing there is above a threshold.

    Example:
        >>> patch_scores = np.array([[0, 0], [0, 1]], np.float32)
        >>> heat = anomaly_map(patch_scores, size=64, sigma=4.0)
        >>> heat.shape, bool(heat[-1, -1] > heat[0, 0])
        ((64, 64), True)
    """
    if region is not None:  # scores go on beyond the border as they are at it
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(~region, return_distances=False, return_indices=True)
        patch_scores = patch_scores[tuple(nearest)]
    height, width = shape_of(size)
    sigma *= math.sqrt(height * width) / REFERENCE_SIZE
    rows, columns = patch_scores.shape
    across = _upsampling(columns, width, sigma).T
    found = (_upsampling(rows, height, sigma) @ patch_scores @ across).astype(np.float32)
    if region is not None:
        inside = region_at(region, (height, width))
        found = np.where(inside, found, min(np.float32(0), found[inside].min()))
    return np.asarray(found)


def brought_back(anomaly_map: np.ndarray, placement: Placement, aspect: float) -> np.ndarray:
    """Bring the map of an aligned image back to the image as it was taken, float32 [height, width].

    Args:
        anomaly_map: float32 [height, width]; what it does not show has its lowest value, or 0 if that is lower.
        placement: Where the part lies in the image.
        aspect: Width over height of the image.
    """
    return placement.back(anomaly_map, aspect, min(0.0, float(anomaly_map.min())))


@lru_cache(maxsize=8)
def _upsampling(n: int, size: int, sigma: float) -> np.ndarray:
    """Build the matrix that resizes and smooths along one axis, float64 [size, n].

    Both are linear and separable, so a map is the product of two such matrices with its patch scores. The Gaussian is
    that of ``scipy.ndimage.gaussian_filter``, cut at four standard deviations and reflected at the borders.
    """
    matrix = resize_map(np.eye(n, dtype=np.float32), (size, n)).astype(np.float64)
    radius = int(4 * sigma + 0.5)
    if radius:
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        padded = np.pad(matrix, ((radius, radius), (0, 0)), mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=0)
        matrix = np.einsum("snk,k->sn", windows, weights / weights.sum())
    return matrix


def region_at(region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Find the pixels of a map whose patch lies in a region.

    Args:
        region: bool [h, w].
        shape: Height and width of the map in pixels.

    Returns:
        bool [height, width].
    """
    rows, columns = (
        np.arange(pixels) * patches // pixels
        for pixels, patches in zip(shape, region.shape, strict=True)
    )
    return region[rows[:, None], columns]


def resize_map(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a map bilinearly, with pixel centres aligned as in torch's ``align_corners=False``.

    Args:
        values: float32 [h, w].
        shape: (height, width) of the result in pixels.

    Returns:
        float32 [height, width].
    """
    from PIL import Image

    height, width = shape
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
