"""Length and contrast of defects, measured and set."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of ITU-R BT.601, as in OpenCV


@dataclass(frozen=True)
class DefectSize:
    """Size that a defect is drawn with.

    Attributes:
        length: Longest extent of the shape in pixels, before what is not salient is cut off.
        contrast: Mean absolute difference to the part in grey levels, 0..255, as far as black and white allow it.
    """

    length: float
    contrast: float


def longest_extent(mask: np.ndarray) -> float:
    """Measure the longest extent of a mask in pixels, in any direction, of all pieces together.

    It is the largest distance between two pixel centres (Feret's diameter) plus one pixel.

    Args:
        mask: bool [H, W]; an empty one has no extent, 0.

    Example:
        >>> longest_extent(np.ones((1, 5), bool)), round(longest_extent(np.eye(4, dtype=bool)), 2)
        (5.0, 5.24)
    """
    points = cv2.findNonZero(mask.astype(np.uint8))
    if points is None:
        return 0.0
    hull = cv2.convexHull(points)[:, 0].astype(np.float64)
    return float(np.linalg.norm(hull[:, None] - hull[None], axis=-1).max()) + 1


def grey_contrast(image: np.ndarray, defective: np.ndarray, mask: np.ndarray) -> float:
    """Measure the mean absolute difference of two images in grey levels.

    Args:
        image: uint8 [H, W, 3], RGB.
        defective: The same with a defect.
        mask: Pixels of the defect, bool [H, W].
    """
    difference = defective[mask].astype(np.float32) - image[mask]
    return float(np.abs(difference @ _GREY).mean())


def lengthened(mask: np.ndarray, length: float, image: tuple[int, int]) -> np.ndarray:
    """Resize the mask of a shape's box to a longest extent, in proportion.

    Args:
        mask: bool [h, w], not empty.
        length: Longest extent in pixels.
        image: Height and width of the image, which limit the box.
    """
    extent = longest_extent(mask)
    factor = min(
        length / extent, *(side / own for side, own in zip(image, mask.shape, strict=True))
    )
    height, width = (max(1, round(own * factor)) for own in mask.shape)
    shares = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    resized: np.ndarray = shares >= min(0.5, float(shares.max()))  # a thin one does not vanish
    return resized


def with_contrast(
    patch: np.ndarray, fused: np.ndarray, mask: np.ndarray, contrast: float
) -> np.ndarray:
    """Scale the difference of a defect to its part; black and white limit it.

    Args:
        patch: The part, uint8 [h, w, 3].
        fused: The part with the defect.
        mask: Pixels of the defect, bool [h, w].
        contrast: See :class:`DefectSize`.
    """
    level = grey_contrast(patch, fused, mask)
    if level == 0:  # a fill that equals the part cannot be scaled
        return fused
    difference = fused.astype(np.float32) - patch
    return np.rint(np.clip(patch + difference * (contrast / level), 0, 255)).astype(np.uint8)
