"""Random colour jitter on uint8 arrays, like ``ColorJitter`` of torchvision."""

from __future__ import annotations

import cv2
import numpy as np

LEVELS = np.arange(256, dtype=np.float32)


def adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Scale all values by a factor: 0 gives black, 1 the same image."""
    return _map_levels(image, factor * LEVELS)


def adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the mean grey of the image: factor 0 gives flat grey, 1 the same image."""
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    return _map_levels(image, factor * LEVELS + (1 - factor) * mean)


def adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend each pixel with its own grey: factor 0 gives a grey image, 1 the same image."""
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, gray, 1 - factor, 0)


def shift_hue(image: np.ndarray, turn: float) -> np.ndarray:
    """Turn the hue by a fraction of the colour circle; grey pixels do not change."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)  # hue 0..255 is the whole circle
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)  # wraps around, as the circle does
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


ADJUSTMENTS = (adjust_brightness, adjust_contrast, adjust_saturation, shift_hue)


def color_jitter(rng: np.random.Generator, image: np.ndarray, strength: float = 0.1) -> np.ndarray:
    """Change brightness, contrast, saturation and hue at random, in random order.

    Equivalent to ``torchvision.transforms.ColorJitter(strength, strength, strength, strength)``.

    Args:
        rng: Random generator.
        image: uint8 [H, W, 3], RGB.
        strength: Factors are drawn from 1 ± strength, the turn of the hue from ± strength; at most 0.5.

    Returns:
        A new uint8 [H, W, 3]; a grey image stays grey.
    """
    amounts = rng.uniform(-strength, strength, 4) + np.array((1, 1, 1, 0))
    for i in rng.permutation(4):
        image = ADJUSTMENTS[i](image, float(amounts[i]))
    return image


def _map_levels(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
