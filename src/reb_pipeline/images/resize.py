"""Resizing of images to the network's input size; quick to import."""

import numpy as np
from PIL import Image


def resize_image(image: np.ndarray, side: int) -> np.ndarray:
    """Resize an image to a square without cropping, by Pillow's anti-aliased bicubic filter as the reference code.

    Args:
        image: uint8 [height, width, 3] RGB.
        side: Side of the square in pixels.

    Returns:
        uint8 [side, side, 3].

    Example:
        >>> resize_image(np.zeros((48, 64, 3), np.uint8), 32).shape
        (32, 32, 3)
    """
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized)
