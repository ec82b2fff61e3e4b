"""Sizes of images: a number for a square, height and width for a rectangle; quick to import."""

import math
from collections.abc import Sequence

Size = int | Sequence[int]  # in pixels
STEP = 16  # px: stride of the networks' third stage
LEAST = 32  # px: smallest side of an image that a network sees
SIDES = {"longest": max, "shortest": min}  # sides that a size can be given by
ASPECT_TOLERANCE = 0.01  # images are rounded to whole pixels when they are resized or cropped


def shape_of(size: Size) -> tuple[int, int]:
    """Return the height and width of a size.

    Example:
        >>> shape_of(256), shape_of([192, 480])
        ((256, 256), (192, 480))
    """
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width


def size_of(height: int, width: int) -> int | list[int]:
    """Return the size of a height and width, as a JSON value: a square is a number.

    Example:
        >>> size_of(256, 256), size_of(192, 480)
        (256, [192, 480])
    """
    return height if height == width else [height, width]


def has_aspect(shape: Sequence[int], aspect: float, tolerance: float = ASPECT_TOLERANCE) -> bool:
    """Check that an image is as much wider than high as another one.

    Args:
        shape: Height and width of the image, perhaps with its channels.
        aspect: Width over height of the other image.
        tolerance: Relative difference that still counts as the same.

    Example:
        >>> has_aspect((300, 400, 3), 4 / 3), has_aspect((300, 300), 4 / 3)
        (True, False)
    """
    return abs(shape[1] / shape[0] / aspect - 1) <= tolerance


def at_most(size: Size, side: int) -> int | list[int]:
    """Shrink a size that has more pixels than a square, with its aspect; return others as they are.

    Args:
        size: The size.
        side: Side of the square in pixels.

    Example:
        >>> at_most([2048, 8192], 512), at_most([192, 480], 512)
        ([256, 1024], [192, 480])
    """
    height, width = shape_of(size)
    factor = side / math.sqrt(height * width)
    if factor < 1:
        height, width = (max(1, round(length * factor)) for length in (height, width))
    return size_of(height, width)


def in_aspect(size: Size, side: int) -> int | list[int]:
    """Return the size with as many pixels as a square and the aspect of another size, in multiples of 16.

    Args:
        size: The size whose aspect is kept.
        side: Side of the square in pixels, the result for another square.

    Example:
        >>> in_aspect([500, 1250], 256), in_aspect(300, 256)
        ([160, 400], 256)
    """
    height, width = shape_of(size)
    if height == width:
        return side
    factor = side / math.sqrt(height * width)
    height, width = (STEP * max(2, round(length * factor / STEP)) for length in (height, width))
    return size_of(height, width)


def with_side(shape: Sequence[int], length: int, kept: str, step: int = STEP) -> int | list[int]:
    """Return the size with one side of a given length and the aspect of an image, in multiples of a step.

    Args:
        shape: Height and width of the image.
        length: Length of the side in pixels.
        kept: The side that has it, one of :data:`SIDES`.
        step: Pixels that both sides are rounded to multiples of, at least 32 of them.

    Example:
        >>> with_side((500, 1250), 512, "longest"), with_side((500, 1250), 256, "shortest")
        ([208, 512], [256, 640])
    """
    height, width = shape[:2]
    factor = length / SIDES[kept](height, width)
    least = math.ceil(LEAST / step)
    height, width = (step * max(least, round(side * factor / step)) for side in (height, width))
    return size_of(height, width)


def size_text(size: Size) -> str:
    """Describe a size for a message.

    Example:
        >>> size_text([192, 480])
        '192 x 480'
    """
    height, width = shape_of(size)
    return f"{height:,} x {width:,}"
