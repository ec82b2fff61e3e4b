"""The one way that images come to the size of a network's input; light to import."""

import numpy as np
from PIL import Image


def resize_image(image: np.ndarray, side: int) -> np.ndarray:
    """Resize to a square without crop, with Pillow's anti-aliased bicubic as the reference does.

    Args:
        image: uint8 [height, width, 3] RGB.
        side: Pixels.

    Returns:
        uint8 [side, side, 3].
    """
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized)
