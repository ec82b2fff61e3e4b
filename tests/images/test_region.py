"""The region of interest: masks, polygons, their patches and their text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from PIL import Image

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import validated
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.region import NEUTRAL, Region, resized

MASKS = of_numpy.arrays(bool, st.tuples(*[st.integers(1, 12)] * 2)).filter(np.any)

SQUARES = st.integers(1, 12).flatmap(lambda n: of_numpy.arrays(bool, (n, n)).filter(np.any))


def saved(path, mask, size=None):
    Image.fromarray(mask.astype(np.uint8) * 255).resize(size or mask.shape[::-1], 0).save(path)
    return str(path)


@given(SQUARES, st.sampled_from([None, 0.75]))
def test_the_text_of_a_region_gives_the_region_back(mask, aspect):
    side = len(mask)
    again = Region.of_json(Region(mask, aspect).as_json(side))
    np.testing.assert_array_equal(again.mask, mask)
    assert again.aspect == aspect


@given(MASKS, st.integers(1, 4), st.integers(1, 4))
def test_patches_at_least_half_of_which_lie_inside_are_looked_at(mask, h, w):
    large = mask.repeat(h, 0).repeat(w, 1)  # a grid of h x w patches that cut no pixel
    covered = large.reshape(h, mask.shape[0], w, mask.shape[1]).mean(axis=(1, 3))
    np.testing.assert_array_equal(
        Region(large).patches((h, w)), covered >= min(0.5, covered.max()) - 1e-6
    )


def test_polygons_are_looked_at_together():
    triangle, stripe = [(0, 0), (1, 0), (0, 1)], [(0, 0.75), (1, 0.75), (1, 1), (0, 1)]
    found = Region.of_polygons([triangle, stripe]).at(32)
    y, x = (np.mgrid[:32, :32] + 0.5) / 32
    exact = (x + y < 1) | (y > 0.75)
    is_near = np.abs(x + y - 1) < 0.05
    np.testing.assert_array_equal(found[~is_near], exact[~is_near])


def test_a_polygon_around_the_image_is_the_whole_image():
    assert Region.of_polygons([[(0, 0), (1, 0), (1, 1), (0, 1)]]).mask.all()


def test_white_of_a_mask_is_looked_at(tmp_path):
    mask = np.zeros((30, 40), bool)
    mask[:, :20] = True
    region = Region.of(saved(tmp_path / "mask.png", mask))
    assert region.patches((3, 4)).tolist() == [[True, True, False, False]] * 3
    image = np.full((300, 400, 3), 200, np.uint8)
    seen = resized(image, 8, region)
    assert (seen[:, :4] == 200).all()
    assert (seen[:, 4:] == NEUTRAL).all()


def test_an_image_of_another_aspect_is_refused(tmp_path):
    region = Region.of(saved(tmp_path / "mask.png", np.ones((30, 40), bool)))
    region.check((301, 400))  # rounded to whole pixels
    with pytest.raises(InputError, match=r"drawn on images 1.333 times .* 400 x 400 pixels is 1.0"):
        resized(np.zeros((400, 400, 3), np.uint8), 32, region)
    Region.of_polygons([[(0, 0), (1, 0), (1, 1)]]).check((400, 400))  # shares fit any image


def test_masks_that_cannot_be_used_are_refused(tmp_path):
    black = saved(tmp_path / "black.png", np.zeros((8, 8), bool))
    with pytest.raises(InputError, match=r"black.png' is black everywhere.*: paint white where"):
        Region.of(black)
    (tmp_path / "text.png").write_text("no image")
    for name in ("text.png", "gone.png"):
        with pytest.raises(InputError, match=rf"{name}' cannot be read as a mask: .*{name}"):
            Region.of(str(tmp_path / name))
    with pytest.raises(InputError, match="leaves nothing to look at"):
        Region(np.zeros((8, 8), bool))


@pytest.mark.parametrize(
    "region",
    [[], [[]], [[(0, 0), (1, 1)]], [[(0, 0), (1, 0), (1, 1.2)]], [[(0, 0), (1, 0), (-0.1, 1)]], 3,
     [(0, 0), (1, 0), (1, 1)], {"mask": "a.png"}, [[(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.9, 0.9)]],
     [[(0, 0), (1, 0), (1, 1)], [(0.5, 0), (0.5, 1), (0.5, 0.3)]], [[(0.5, 0.5)] * 4]],
)  # fmt: skip
def test_polygons_outside_of_the_picture_and_other_values_are_refused(region):
    with pytest.raises(InputError, match=r"features.region cannot be used: Input should be the pa"):
        validated(FeatureSettings, {"region": region}, "features")
