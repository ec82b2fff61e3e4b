"""Polygons that a user draws on images, in shares of their width and height."""

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated

from pydantic import Field

Polygon = Sequence[tuple[float, float]]  # corners (x, y)
Share = Annotated[float, Field(ge=0, le=1)]  # of the width or height of an image
SMALLEST = 1e-9  # twice the area of a triangle; less is a line, but for rounding
CORNERS = (
    "polygons of at least three corners [x, y] each that do not all lie on a line, in shares of the width and height "
    "of the image, from 0 to 1"
)


def has_area(polygon: Polygon) -> bool:
    """Return True if the corners of a polygon do not all lie on a line.

    Example:
        >>> has_area([(0, 0), (1, 0), (1, 1)]), has_area([(0, 0), (0.5, 0.5), (1, 1)]), has_area([])
        (True, False, False)
    """
    if not polygon:
        return False
    (x, y), *others = polygon
    pairs = combinations(others, 2)
    return any(abs((a - x) * (d - y) - (c - x) * (b - y)) > SMALLEST for (a, b), (c, d) in pairs)
