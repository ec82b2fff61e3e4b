"""Contours are those that OpenCV finds; simplified ones stay near them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reb_pipeline.inspection.contours import find_contours, simplify

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def by_opencv(marked):
    found, _ = cv2.findContours(marked.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return [contour[:, 0] for contour in found]


def as_sets(contours):
    """Each contour as its pixels; a walk may begin anywhere."""
    return sorted(sorted(map(tuple, contour.tolist())) for contour in contours)


@given(MASKS)
def test_same_pixels_as_opencv(marked):
    assert as_sets(find_contours(marked)) == as_sets(by_opencv(marked))


def test_a_walk_goes_from_neighbour_to_neighbour():
    marked = np.random.default_rng(0).random((40, 60)) > 0.4
    for contour in find_contours(marked):
        steps = np.abs(np.diff(contour, axis=0, append=contour[:1])).max(axis=1)
        assert steps.max() <= 1


@given(MASKS, st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_no_point_is_farther_from_the_simplified_contour_than_asked(marked, tolerance):
    for contour in find_contours(marked):
        kept = simplify(contour, tolerance)
        ring = np.concatenate([kept, kept[:1]]).astype(float)
        starts, along = ring[:-1], np.diff(ring, axis=0)
        offsets = contour[:, None] - starts
        share = (offsets * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
        nearest = np.linalg.norm(offsets - np.clip(share, 0, 1)[..., None] * along, axis=-1)
        assert nearest.min(axis=1).max() <= tolerance + 1e-9


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (1, 9)])
def test_a_rectangle_has_its_corners(shape):
    (contour,) = find_contours(np.ones(shape, bool))
    kept = {tuple(point) for point in simplify(contour, 0.5).tolist()}
    height, width = shape
    assert kept == {(x, y) for x in (0, width - 1) for y in (0, height - 1)}
