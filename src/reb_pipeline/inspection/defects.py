"""Defects: connected regions of marked pixels."""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.calibration.verdicts import above


@dataclass(frozen=True)
class Defect:
    """Connected region of marked pixels.

    Attributes:
        box: x, y, width and height, in pixels of the original image.
        area: Area in pixels of the original image.
        peak: Highest anomaly score in the region.
    """

    box: tuple[int, int, int, int]
    area: int
    peak: float


def find_defects(anomaly_map: np.ndarray, threshold: float, shape: tuple[int, int]) -> list[Defect]:
    """Find the connected regions of an anomaly map above a threshold; pixels that touch at a corner are connected.

    Regions are found on the grid of the map and then converted to pixels of the image. The threshold is valid for maps
    on this grid, a finer grid would add no information, and the time does not grow with the image.

    Args:
        anomaly_map: float32 [h, w].
        threshold: Anomaly score above which a pixel is marked.
        shape: Height and width of the image in pixels.

    Returns:
        The regions, largest area first; a box contains every pixel of the image that its region touches.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.inspection.defects import find_defects
        >>> anomaly_map = np.zeros((4, 4), np.float32)
        >>> anomaly_map[1:3, 2] = 5
        >>> find_defects(anomaly_map, threshold=1, shape=(400, 800))  # 4 x 4 values for 400 x 800 pixels
        [Defect(box=(400, 100, 200, 200), area=40000, peak=5.0)]
    """
    marked = above(anomaly_map, threshold)
    if not marked.any():
        return []
    from scipy import ndimage  # a third of the time to import all that an inspection needs

    labels, n = ndimage.label(marked, structure=np.ones((3, 3), int))
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
    """Compute the smallest box of whole pixels around a part of a grid that covers an image.

    Args:
        where: Rows and columns of the part, as slices.
        grid: Height and width of the grid.
        shape: Height and width of the image in pixels.

    Returns:
        x, y, width and height in pixels.
    """
    (top, bottom), (left, right) = (
        (part.start * pixels // steps, -(-part.stop * pixels // steps))
        for part, steps, pixels in zip(where, grid, shape, strict=True)
    )
    return left, top, right - left, bottom - top
