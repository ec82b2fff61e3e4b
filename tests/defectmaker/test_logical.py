"""Logical defects: parts that are missing, too many, misplaced or exchanged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.logical import LOGICAL_KINDS, Scene, make_logical_defect

SIDE = 64
BOXES = {0: (4, 4, 12, 10), 1: (40, 8, 6, 8), 2: (8, 44, 12, 10)}  # top, left, height, width


def boxes(image, level):
    return (image == level).all(axis=2)


def scene(background=True):
    """Three parts of different levels on an uneven ground; the first and the third are of one kind."""
    rng = np.random.default_rng(0)
    ground = rng.integers(10, 20, (SIDE, SIDE, 1)).repeat(3, axis=2).astype(np.uint8)
    image, parts = ground.copy(), []
    for number, (y, x, h, w) in BOXES.items():
        mask = np.zeros((SIDE, SIDE), bool)
        mask[y : y + h, x : x + w] = True
        image[mask] = 100 + number
        parts.append(mask)
    return Scene(image, parts, [0, 1, 0], ground if background else None)


def counts(image):
    return [int(boxes(image, 100 + number).sum()) for number in BOXES]


@given(index=st.integers(0, 10**6))
@settings(max_examples=20)
def test_a_removed_part_leaves_the_ground(index):
    good = scene()
    defect = make_logical_defect(good, "remove", 0, index)
    (gone,) = [n for n, count in enumerate(counts(defect.image)) if not count]
    np.testing.assert_array_equal(defect.mask, good.parts[gone])
    np.testing.assert_array_equal(defect.image[defect.mask], good.background[defect.mask])


@given(index=st.integers(0, 10**6))
@settings(max_examples=20)
def test_a_copy_and_a_moved_part_cover_no_other(index):
    good = scene()
    before = counts(good.image)
    copied = make_logical_defect(good, "duplicate", 0, index)
    assert sorted(np.array(counts(copied.image)) / before) == [1, 1, 2]
    moved = make_logical_defect(good, "move", 0, index)
    assert counts(moved.image) == before
    (old,) = [n for n in BOXES if not boxes(moved.image, 100 + n)[good.parts[n]].any()]
    assert moved.mask[good.parts[old]].all()


@given(index=st.integers(0, 10**6))
@settings(max_examples=20)
def test_parts_of_two_kinds_change_places(index):
    good = scene()
    swapped = make_logical_defect(good, "swap", 0, index).image
    assert counts(swapped) == counts(good.image)
    changed = [n for n in BOXES if not boxes(swapped, 100 + n)[good.parts[n]].all()]
    assert len(changed) == 2
    assert 1 in changed  # the only part of its kind


@pytest.mark.parametrize("kind", LOGICAL_KINDS)
def test_only_the_mask_changes_and_the_same_draw_gives_the_same_bytes(kind):
    good = scene()
    before = good.image.copy()
    one, other = (make_logical_defect(good, kind, 7, 3) for _ in range(2))
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(good.image, before)
    assert not (one.image != good.image)[~one.mask].any()
    assert one.mask.any()


def test_without_a_background_the_place_is_painted_in():
    good = scene(background=False)
    defect = make_logical_defect(good, "remove", 0, 0)
    assert defect.image[defect.mask].max() < 60


def test_the_parts_of_a_saliency_map_are_its_regions():
    good = scene()
    found = Scene.of_saliency(good.image, np.any(good.parts, axis=0))
    assert len(found.parts) == 3
    assert sorted(mask.sum() for mask in found.parts) == sorted(mask.sum() for mask in good.parts)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({}, "lose", r"Logical defect 'lose' is unknown"),
        ({"parts": [], "kinds": []}, "remove", "has no part"),
        ({"kinds": [0]}, "remove", "3 parts and 1 kinds"),
        ({"kinds": [1, 1, 1]}, "swap", "all parts of the scene are of one"),
        (
            {"parts": [np.ones((3, 3), bool)] * 3},
            "move",
            r"bool \[3, 3\] for an image of \[64, 64\]",
        ),
    ],
)
def test_scenes_that_cannot_be_used(change, kind, message):
    good = scene()
    parts = {"image": good.image, "parts": good.parts, "kinds": good.kinds, **change}
    with pytest.raises(InputError, match=message):
        make_logical_defect(Scene(**parts), kind, 0, 0)
