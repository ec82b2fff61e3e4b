"""Regions of marked pixels against a flood fill."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reb_pipeline.inspection.defects import box_in_image, find_defects


def flood(marked):
    """Sets of cells that touch by a side or a corner."""
    left, regions = set(zip(*map(np.ndarray.tolist, np.nonzero(marked)), strict=True)), []
    while left:
        region, todo = set(), [left.pop()]
        while todo:
            y, x = todo.pop()
            region.add((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= around
            todo += around
        regions.append(region)
    return regions


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=st.sampled_from([0, 1, 2, 3]),
    )
)
def test_regions_are_those_of_a_flood_fill(anomaly_map):
    defects = find_defects(anomaly_map, 1.0, anomaly_map.shape)
    regions = flood(anomaly_map > 1)
    expected = []
    for region in regions:
        ys, xs = zip(*region, strict=True)
        box = (min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1)
        expected.append((box, len(region), max(anomaly_map[cell] for cell in region)))
    assert sorted((d.box, d.area, d.peak) for d in defects) == sorted(expected)
    areas = [defect.area for defect in defects]
    assert areas == sorted(areas, reverse=True)


@given(
    factor_y=st.integers(1, 9), factor_x=st.integers(1, 9), y=st.integers(0, 7), x=st.integers(0, 7)
)
def test_a_larger_image_is_measured_in_its_own_pixels(factor_y, factor_x, y, x):
    anomaly_map = np.zeros((8, 8), np.float32)
    anomaly_map[y, x] = 5
    (defect,) = find_defects(anomaly_map, 1.0, (8 * factor_y, 8 * factor_x))
    assert defect.box == (x * factor_x, y * factor_y, factor_x, factor_y)
    assert (defect.area, defect.peak) == (factor_x * factor_y, 5)


@given(
    cells=st.integers(1, 40),
    pixels=st.integers(1, 200),
    first=st.integers(0, 39),
    n=st.integers(1, 40),
)
def test_boxes_are_the_smallest_around_their_cells(cells, pixels, first, n):
    start = min(first, cells - 1)
    stop = min(start + n, cells)
    x, y, width, height = box_in_image((slice(0, 1), slice(start, stop)), (1, cells), (1, pixels))
    assert (y, height) == (0, 1)
    edges = np.array([start, stop]) * pixels / cells
    assert x <= edges[0] + 1e-9 < x + 1
    assert x + width - 1 < edges[1] + 1e-9
    assert x + width >= edges[1] - 1e-9
    assert 0 <= x < x + width <= pixels


def test_small_images_have_areas_of_at_least_one_pixel():
    anomaly_map = np.zeros((64, 64), np.float32)
    anomaly_map[3, 3] = 1
    (defect,) = find_defects(anomaly_map, 0.5, (2, 2))
    assert (defect.box, defect.area) == ((0, 0, 1, 1), 1)


def test_nothing_is_above_infinity():
    assert find_defects(np.ones((4, 4), np.float32), np.inf, (4, 4)) == []


def test_a_value_that_is_no_number_is_marked():
    anomaly_map = np.zeros((4, 4), np.float32)
    anomaly_map[1, 2] = np.nan
    (defect,) = find_defects(anomaly_map, 1.0, (4, 4))
    assert defect.box == (2, 1, 1, 1)
