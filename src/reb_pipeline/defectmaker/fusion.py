"""Fusions: ways to lay a fill over an image (REB paper section 3.1.1, reference code DefectMaker/defect_makers.py).

Every function takes ``(patch, fill, mask, weight, kernel)``, the box of the image, uint8 [h, w, 3], the fill of the
same shape, the shape's mask, bool [h, w], the fill's weight, and the side of the softening kernel in px, odd.
It returns a new uint8 [h, w, 3], equal to ``patch`` wherever the mask is False.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

CLONE_EROSION = 3  # px by which cv2.seamlessClone shrinks its mask


@dataclass(frozen=True)
class Fusion:
    """A way to lay a fill over an image.

    Attributes:
        fuse: See the head of this module.
        blends: Whether the fill's weight is drawn from the shape's range; it is 1 otherwise.
    """

    fuse: Callable[[np.ndarray, np.ndarray, np.ndarray, float, int], np.ndarray]
    blends: bool = False


def hard_edge(
    patch: np.ndarray, fill: np.ndarray, mask: np.ndarray, weight: float, kernel: int
) -> np.ndarray:
    """The fill with one weight everywhere."""
    return _mix(patch, fill, mask.astype(np.float32) * weight)


def soft_edge(
    patch: np.ndarray, fill: np.ndarray, mask: np.ndarray, weight: float, kernel: int
) -> np.ndarray:
    """The fill with a weight that falls towards the edge: the mask eroded, then blurred."""
    whole = mask.astype(np.float32)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    core = cv2.erode(whole, ellipse, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if not core.any():  # thinner than the kernel: softened all the same, but not erased
        core = whole
    soft = cv2.GaussianBlur(core, (kernel, kernel), kernel, borderType=cv2.BORDER_CONSTANT)
    return _mix(patch, fill, soft * whole * weight)


def poisson(
    patch: np.ndarray, fill: np.ndarray, mask: np.ndarray, weight: float, kernel: int
) -> np.ndarray:
    """The fill's gradients with the image's colours at the edge (Poisson image editing)."""
    pad = CLONE_EROSION + 2  # the clone may not touch the border
    target, source = (
        cv2.copyMakeBorder(a, pad, pad, pad, pad, cv2.BORDER_REPLICATE) for a in (patch, fill)
    )
    inside = cv2.copyMakeBorder(
        mask.astype(np.uint8) * 255, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0
    )
    inside = cv2.dilate(inside, np.ones((3, 3), np.uint8), iterations=CLONE_EROSION)
    x, y, w, h = cv2.boundingRect(inside)
    centre = x + w // 2, y + h // 2  # of the mask's own box: the fill is not moved
    cloned = cv2.seamlessClone(source, target, inside, centre, cv2.NORMAL_CLONE)
    return np.where(mask[..., None], cloned[pad:-pad, pad:-pad], patch)


FUSIONS: dict[str, Fusion] = {
    "paste": Fusion(hard_edge),
    "blend": Fusion(hard_edge, blends=True),
    "softened": Fusion(soft_edge),
    "blend_softened": Fusion(soft_edge, blends=True),
    "poisson": Fusion(poisson),
}


def _mix(patch: np.ndarray, fill: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mixed = patch + weights[..., None] * (fill.astype(np.float32) - patch)
    return np.rint(mixed).astype(np.uint8)
