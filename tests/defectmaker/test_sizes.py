import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker
from reb_pipeline.defectmaker.shapes import SHAPES
from reb_pipeline.defectmaker.sizes import DefectSize, grey_contrast, longest_extent
from reb_pipeline.defectmaker.streams import Purpose

RNG = np.random.default_rng(0)
PART = RNG.integers(90, 130, (160, 240, 3), dtype=np.uint8)
ALL = np.ones(PART.shape[:2], bool)
MAKER = DefectMaker([Donor(PART, ALL)], purpose=Purpose.DETECTION)


@settings(max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_extent_is_the_largest_distance_of_two_pixels(mask):
    points = np.argwhere(mask)
    farthest = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert longest_extent(mask) == pytest.approx(farthest.max() + 1 if len(points) else 0)


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "perlin"])
@pytest.mark.parametrize("length", [25, 80])
def test_defects_have_about_the_length_and_the_contrast_asked_for(shape, length):
    kind = DefectKind(shape, "noise")
    for index in range(6):
        defect = MAKER.make(PART, ALL, kind, 0, index, DefectSize(length, 30.0))
        np.testing.assert_array_equal(defect.image[~defect.mask], PART[~defect.mask])
        # What is thinner than a pixel at this length vanishes, such as crumbs of a clump.
        assert 0.6 * length <= longest_extent(defect.mask) <= 1.1 * length
        contrast = grey_contrast(PART, defect.image, defect.mask)
        soft = shape == "bezier_clump"  # its core may be black or white before its edge differs
        assert (10 if soft else 29) < contrast < 31


def test_a_defect_is_never_longer_than_the_image():
    defect = MAKER.make(PART, ALL, DefectKind("rect", "noise"), 0, 0, DefectSize(1000, 20.0))
    assert defect.mask.shape == PART.shape[:2]
    assert defect.mask.any()


def test_a_fill_that_equals_the_part_stays_invisible():
    flat = np.full((64, 64, 3), 100, np.uint8)
    black = np.zeros((64, 64, 3), np.uint8)
    maker = DefectMaker([Donor(black, ALL[:64, :64])])
    kind, size = DefectKind("rect", "cut_paste", "paste"), DefectSize(20, 40.0)
    assert (maker.make(black, ALL[:64, :64], kind, 0, 0, size).image == 0).all()
    made = maker.make(flat, ALL[:64, :64], kind, 0, 0, size)
    assert grey_contrast(flat, made.image, made.mask) == pytest.approx(40, abs=0.5)
