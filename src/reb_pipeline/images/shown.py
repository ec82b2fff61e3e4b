"""Images at the size that they are shown at, so that figures of large images take no more than those of small ones."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN_SIDE = 512  # px: longest side of an image in a figure, where it is 2 to 4 inches large
LONGEST_ASPECT = 3  # times as long as wide: a longer image is shown compressed to it


def shown_shape(height: int, width: int, side: int = SHOWN_SIDE) -> tuple[int, int]:
    """Compute the height and width that an image is shown at.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        side: Largest height and width.

    Returns:
        At most ``side`` and at most the longer side of the image. A strip is compressed along its length to three times
        its width, so that it stays visible and a page of strips does not become endless.

    Example:
        >>> shown_shape(3648, 5472), shown_shape(48, 64), shown_shape(1250, 55), shown_shape(64, 2560)
        ((341, 512), (48, 64), (512, 171), (171, 512))
    """
    high, wide = max(height, width / LONGEST_ASPECT), max(width, height / LONGEST_ASPECT)
    factor = min(1.0, side / max(high, wide))
    return max(1, round(high * factor)), max(1, round(wide * factor))


def is_compressed(height: int, width: int) -> bool:
    """Return True if an image is so long that it is not shown to scale."""
    return max(height, width) > LONGEST_ASPECT * min(height, width)


def shown(image: np.ndarray, side: int = SHOWN_SIDE) -> np.ndarray:
    """Resize an image to the size that it is shown at, by the mean of the pixels that become one.

    Args:
        image: uint8 [height, width] or [height, width, 3].
        side: See :func:`shown_shape`.

    Returns:
        uint8 of :func:`shown_shape`; the image itself if that is its size.
    """
    from PIL import Image  # slow to import

    height, width = image.shape[:2]
    shape = shown_shape(height, width, side)
    if shape == (height, width):
        return image
    height, width = shape
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def draft(image: "Image", side: int) -> None:
    """Let a JPEG file be decoded at a half, a quarter or an eighth, if that is enough to show it.

    Args:
        image: An opened file whose pixels are not loaded; other formats stay as they are.
        side: See :func:`shown_shape`.
    """
    height, width = shown_shape(image.height, image.width, side)
    image.draft(image.mode, (min(width, image.width), min(height, image.height)))
