"""Sizes of images: a number for a square, height and width for a rectangle; quick to import."""

from collections.abc import Sequence

Size = int | Sequence[int]  # in pixels


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


def size_text(size: Size) -> str:
    """Describe a size for a message.

    Example:
        >>> size_text([192, 480])
        '192 x 480'
    """
    height, width = shape_of(size)
    return f"{height:,} x {width:,}"
