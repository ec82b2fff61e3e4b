"""Resizing of images to the network's input size; quick to import."""

import numpy as np
from PIL import Image

from reb_pipeline.core.sizes import Size, shape_of


def resize_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize an image without cropping, by Pillow's anti-aliased bicubic filter as the reference code.

    Args:
        image: uint8 [height, width, 3] RGB.
        size: Side of a square, or height and width, in pixels.

    Returns:
        uint8 [height, width, 3] of the size.

    Example:
        >>> image = np.zeros((48, 64, 3), np.uint8)
        >>> resize_image(image, 32).shape, resize_image(image, (24, 32)).shape
        ((32, 32, 3), (24, 32, 3))
    """
    height, width = shape_of(size)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
