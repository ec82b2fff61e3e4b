"""Contours of marked regions as polygons."""

import numpy as np

# Sides of a pixel, clockwise from the top: the step along a side, and the step over it.
_ALONG = ((0, 1), (1, 0), (0, -1), (-1, 0))
_OVER = ((-1, 0), (0, 1), (1, 0), (0, -1))


def find_contours(marked: np.ndarray) -> list[np.ndarray]:
    """Follow the borders of regions and of the holes in them; pixels that touch at a corner are connected.

    A border is a closed walk along the sides between marked pixels and others, with the marked pixel always on the
    same hand. Same contours as OpenCV's ``findContours`` (Suzuki and Abe 1985), in another order.

    Args:
        marked: bool [h, w].

    Returns:
        Border pixels of each contour in the order of the walk, int64 [points, 2]: column, row.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.inspection.contours import find_contours
        >>> marked = np.zeros((4, 4), bool)
        >>> marked[1:3, 1:3] = True
        >>> [contour.tolist() for contour in find_contours(marked)]
        [[[2, 1], [2, 2], [1, 2], [1, 1]]]
    """
    inside = np.pad(np.asarray(marked, bool), 1)
    sides = [inside & ~np.roll(inside, (-y, -x), axis=(0, 1)) for y, x in _OVER]
    places = [np.argwhere(side) for side in sides]
    numbers = np.full((4, *inside.shape), -1)
    first = np.cumsum([0, *map(len, places)])
    for side, (start, place) in enumerate(zip(first, places, strict=False)):
        numbers[side, place[:, 0], place[:, 1]] = np.arange(start, start + len(place))
    following = np.concatenate([_next(inside, numbers, side, places[side]) for side in range(4)])
    pixels = np.concatenate(places)[:, ::-1] - 1
    return [_without_repeats(pixels[walk]) for walk in _cycles(following.tolist())]


def _next(inside: np.ndarray, numbers: np.ndarray, side: int, places: np.ndarray) -> np.ndarray:
    """Number the side that follows each side of one kind: of the pixel across the corner, ahead, or of the same one."""
    ahead = places + _ALONG[side]
    across = ahead + _OVER[side]
    is_across, is_ahead = inside[tuple(across.T)], inside[tuple(ahead.T)]
    at = np.where(is_across[:, None], across, np.where(is_ahead[:, None], ahead, places))
    kind = (side + np.where(is_across, 3, np.where(is_ahead, 0, 1))) % 4
    return numbers[kind, at[:, 0], at[:, 1]]


def _cycles(following: list[int]) -> list[list[int]]:
    """Split a permutation into its cycles."""
    cycles, is_seen = [], [False] * len(following)
    for start in range(len(following)):
        cycle, at = [], start
        while not is_seen[at]:
            is_seen[at] = True
            cycle.append(at)
            at = following[at]
        if cycle:
            cycles.append(cycle)
    return cycles


def _without_repeats(points: np.ndarray) -> np.ndarray:
    """Drop points that equal the one before, the last before the first."""
    is_new = (points != np.roll(points, 1, axis=0)).any(axis=1)
    return points[is_new] if is_new.any() else points[:1]


def simplify(contour: np.ndarray, tolerance: float) -> np.ndarray:
    """Leave out points of a closed contour that lie near the line between others (Douglas and Peucker 1973).

    Args:
        contour: Points [points, 2].
        tolerance: Largest distance between a point that is left out and its line.

    Returns:
        The remaining points in the same order, from the one farthest from their middle.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.inspection.contours import simplify
        >>> simplify(np.array([[0, 0], [1, 0], [2, 0], [2, 2], [0, 2]]), 0.5).tolist()
        [[2, 2], [0, 2], [0, 0], [2, 0]]
    """
    outermost = ((contour - contour.mean(axis=0)) ** 2).sum(axis=1).argmax()
    contour = np.roll(contour, -outermost, axis=0)
    farthest = int(((contour - contour[0]) ** 2).sum(axis=1).argmax())
    points = [*contour.tolist(), contour[0].tolist()]  # lists, as most parts have few points
    kept, parts = {0, farthest}, [(0, farthest), (farthest, len(contour))]
    while parts:
        start, end = parts.pop()
        squared, middle = _farthest(points, start, end)
        if squared > tolerance**2:
            kept.add(middle)
            parts += [(start, middle), (middle, end)]
    return contour[sorted(kept)]


def _farthest(points: list[list[float]], start: int, end: int) -> tuple[float, int]:
    """Find the point between two others that is farthest from their segment: squared distance and position."""
    (x, y), (end_x, end_y) = points[start], points[end]
    along_x, along_y = end_x - x, end_y - y
    length = along_x**2 + along_y**2 or 1
    largest, position = 0.0, start
    for at in range(start + 1, end):
        right, down = points[at][0] - x, points[at][1] - y
        share = min(max((right * along_x + down * along_y) / length, 0), 1)
        squared = (right - share * along_x) ** 2 + (down - share * along_y) ** 2
        if squared > largest:
            largest, position = squared, at
    return largest, position
