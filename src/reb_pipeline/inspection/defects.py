"""Connected regions of marked pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Defect:
    """One connected region of marked pixels.

    Attributes:
        box: x, y, width and height, in pixels of the image as it came.
        area: In pixels of the image as it came.
        peak: Highest anomaly score in it.
    """

    box: tuple[int, int, int, int]
    area: int
    peak: float


def find_defects(anomaly_map: np.ndarray, threshold: float, shape: tuple[int, int]) -> list[Defect]:
    """Find the regions in which an anomaly map is above a threshold; pixels that touch at a corner are connected.

    They are found on the map's own grid and then measured in the image: the threshold was set for maps on this grid,
    a finer one would show nothing that the map does not hold, and the time does not grow with the image.

    Args:
        anomaly_map: float32 [h, w].
        threshold: Anomaly score above which a pixel is marked.
        shape: Height and width of the image in pixels.

    Returns:
        The regions, largest area first; a box encloses every pixel of the image that its region touches.
    """
    from scipy import ndimage

    labels, n = ndimage.label(anomaly_map > threshold, structure=np.ones((3, 3), int))
    if not n:
        return []
    numbers = range(1, n + 1)
    areas = np.bincount(labels.ravel())[1:] * (shape[0] * shape[1] / labels.size)
    peaks = ndimage.maximum(anomaly_map, labels, numbers)
    defects = [
        Defect(box_in_image(where, labels.shape, shape), max(1, round(area)), float(peak))
        for where, area, peak in zip(ndimage.find_objects(labels), areas, peaks, strict=True)
    ]
    return sorted(defects, key=lambda defect: defect.area, reverse=True)


def box_in_image(
    where: tuple[slice, slice], grid: tuple[int, int], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The smallest box of whole pixels around some cells of a grid that is laid over an image.

    Args:
        where: Rows and columns of the cells.
        grid: Height and width of the grid in cells.
        shape: Height and width of the image in pixels.

    Returns:
        x, y, width and height in pixels.
    """
    (top, bottom), (left, right) = (
        (part.start * pixels // cells, -(-part.stop * pixels // cells))
        for part, cells, pixels in zip(where, grid, shape, strict=True)
    )
    return left, top, right - left, bottom - top
