"""Fusions: methods that blend a fill into an image (REB paper section 3.1.1).

The reference code has them in DefectMaker/defect_makers.py. All functions have the same signature ``(patch, fill,
mask, weight, kernel)``:

- ``patch``: the box of the image, uint8 [h, w, 3];
- ``fill``: the fill, uint8 [h, w, 3];
- ``mask``: the mask of the shape, bool [h, w];
- ``weight``: the weight of the fill, 0..1;
- ``kernel``: side of the softening kernel in pixels, odd.

They return a new uint8 [h, w, 3] that equals ``patch`` outside the mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

CLONE_EROSION = 3  # px by which cv2.seamlessClone shrinks its mask


@dataclass(frozen=True)
class Fusion:
    """Method that blends a fill into an image.

    Attributes:
        fuse: Function of the signature given at the head of this module.
        blends: True if the weight of the fill is drawn from the range of the shape; it is 1 otherwise.
    """

    fuse: Callable[[np.ndarray, np.ndarray, np.ndarray, float, int], np.ndarray]
    blends: bool = False


def hard_edge(
    patch: np.ndarray, fill: np.ndarray, mask: np.ndarray, weight: float, kernel: int
) -> np.ndarray:
    """Blend the fill with one weight inside the whole mask."""
    return _mix(patch, fill, mask.astype(np.float32) * weight)


def soft_edge(
    patch: np.ndarray, fill: np.ndarray, mask: np.ndarray, weight: float, kernel: int
) -> np.ndarray:
    """Blend the fill with a weight that falls towards the edge: the eroded, then blurred mask."""
    whole = mask.astype(np.float32)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    core = cv2.erode(whole, ellipse, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if not core.any():  # a mask thinner than the kernel is softened but not erased
        core = whole
    soft = cv2.GaussianBlur(core, (kernel, kernel), kernel, borderType=cv2.BORDER_CONSTANT)
    return _mix(patch, fill, soft * whole * weight)


def poisson(
    patch: np.ndarray, fill: np.ndarray, mask: np.ndarray, weight: float, kernel: int
) -> np.ndarray:
    """Blend the gradients of the fill with the image's colours at the edge of the mask (Poisson image editing)."""
    pad = CLONE_EROSION + 2  # the mask of seamlessClone may not touch the border
    target, source = (
        cv2.copyMakeBorder(a, pad, pad, pad, pad, cv2.BORDER_REPLICATE) for a in (patch, fill)
    )
    inside = cv2.copyMakeBorder(
        mask.astype(np.uint8) * 255, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0
    )
    inside = cv2.dilate(inside, np.ones((3, 3), np.uint8), iterations=CLONE_EROSION)
    x, y, w, h = cv2.boundingRect(inside)
    centre = x + w // 2, y + h // 2  # centre of the mask's box, so that the fill is not moved
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
