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
    # SciPy has all of this, but its import takes as long as the first inspection.
    y, start, stop = _runs_of(marked)
    owners, region = np.unique(_first_runs(y, start, stop), return_inverse=True)
    width = marked.shape[1]
    values = np.append(anomaly_map.ravel(), -np.inf)  # the last run may end with the map
    edges = np.column_stack([width * y + start, width * y + stop])
    run_peaks = np.maximum.reduceat(values, edges.ravel())[::2]
    left, right, bottom, peaks = (
        _of_regions(best, of_runs, region, len(owners))
        for best, of_runs in (
            (np.minimum, start),
            (np.maximum, stop),
            (np.maximum, y + 1),
            (np.maximum, run_peaks),
        )
    )
    areas = np.bincount(region, stop - start) * (shape[0] * shape[1] / marked.size)
    boxes = zip(y[owners].tolist(), bottom.tolist(), left.tolist(), right.tolist(), strict=True)
    defects = [
        Defect(
            box_in_image((slice(*box[:2]), slice(*box[2:])), marked.shape, shape),
            max(1, round(area)),
            float(peak),
        )
        for box, area, peak in zip(boxes, areas, peaks, strict=True)
    ]
    return sorted(defects, key=lambda defect: defect.area, reverse=True)


def _runs_of(marked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the runs of marked pixels in each row, row by row: y, first x, and last x + 1; int64 [runs] each."""
    steps = np.diff(np.pad(marked, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    y, start = np.nonzero(steps == 1)
    return y, start, np.nonzero(steps == -1)[1]


def _first_runs(y: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Find the first run of the region of each run, int64 [runs]; runs that touch at a corner are connected.

    Both runs of a touching pair take the smaller number of their two, and those of the runs that they name take it,
    until nothing changes (Shiloach & Vishkin 1982).
    """
    columns = stop.max() + 1  # more than a run can reach, so that rows stay apart
    row = columns * y
    first = np.searchsorted(row + stop, row + columns + start)
    last = np.searchsorted(row + start, row + columns + stop, side="right")
    n_touching = last - first
    upper = np.repeat(np.arange(len(y)), n_touching)
    lower = np.arange(len(upper)) + np.repeat(last - np.cumsum(n_touching), n_touching)
    named = np.arange(len(y))
    while (named[upper] != named[lower]).any():
        smaller = np.minimum(named[upper], named[lower])
        for runs in (upper, lower):
            np.minimum.at(named, named[runs], smaller)
        while (named != named[named]).any():
            named = named[named]
    return named


def _of_regions(best: np.ufunc, of_runs: np.ndarray, region: np.ndarray, n: int) -> np.ndarray:
    """Find the smallest or largest value of the runs of each region, [n]."""
    found = np.empty(n, of_runs.dtype)
    found[region] = of_runs
    best.at(found, region, of_runs)
    return found


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
