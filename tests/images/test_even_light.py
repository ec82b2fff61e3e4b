"""Light that is evened out: what a change of light adds is taken away again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.images.even_light import LIGHTS, MEAN, SPREAD, evened
from reb_pipeline.images.light import gain, gradient
from reb_pipeline.images.region import NEUTRAL, Region, resized

IMAGE = np.random.default_rng(0).integers(60, 120, (48, 64, 3), dtype=np.uint8)
LEFT = Region.of_polygons([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])


@given(st.floats(0.6, 2))
def test_photometric_undoes_exposure_and_colour(level):
    cast = np.clip(IMAGE * [1.0, 0.8, 1.3], 0, 255).astype(np.uint8)
    even = evened(IMAGE, "photometric")
    np.testing.assert_allclose(even.mean((0, 1)), MEAN, atol=1)
    np.testing.assert_allclose(even.std((0, 1)), SPREAD, atol=3)
    for other in (gain(IMAGE, level), cast):
        difference = np.abs(evened(other, "photometric").astype(float) - even)
        assert difference.mean() < 3  # rounding of fewer values


@given(st.tuples(*[st.floats(0.6, 1.6)] * 3))
def test_white_balance_undoes_the_colour_of_the_light_and_keeps_contrast(colour):
    even, cast = (
        evened(np.rint(IMAGE * factors).astype(np.uint8), "white_balance").astype(float)
        for factors in (np.ones(3), np.array(colour) / np.mean(colour))
    )
    assert np.ptp(cast.mean((0, 1))) < 1
    assert np.abs(cast - even).mean() < 3  # rounding of fewer values
    np.testing.assert_allclose(even, IMAGE, atol=2)  # grey on average before


@pytest.mark.parametrize("slope", [0.2, 0.4, -0.3])
def test_a_flat_field_takes_most_of_a_gradient_and_keeps_the_brightness(slope):
    for uneven in (gradient(IMAGE, slope), gradient(IMAGE.transpose(1, 0, 2), slope)):
        even = evened(uneven, "flat_field")
        halves = [half.mean() for half in np.array_split(even, 2, axis=1)]
        before = [half.mean() for half in np.array_split(uneven, 2, axis=1)]
        assert abs(halves[0] - halves[1]) < 0.35 * abs(before[0] - before[1])
        assert even.mean() == pytest.approx(uneven.mean(), rel=0.05)


def test_both_stand_gain_and_gradient_better_than_either():
    other = gradient(gain(IMAGE, 0.8), 0.3)
    left = {}
    for light in ("photometric", "flat_field", "both"):
        even = evened(IMAGE, light).astype(float)
        left[light] = np.abs(evened(other, light) - even).mean() / even.std()
    assert left["both"] < 0.6 * min(left["photometric"], left["flat_field"])


@pytest.mark.parametrize("light", LIGHTS)
def test_what_lies_outside_of_a_region_changes_nothing(light):
    tray = IMAGE.copy()
    tray[:, 32:] = 255
    seen = [resized(image, [48, 64], LEFT, light) for image in (IMAGE, tray)]
    np.testing.assert_array_equal(*seen)
    assert (seen[0][:, 32:] == NEUTRAL).all()


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("level", [0, 255])
def test_an_image_of_one_colour_stays_one_of_one_colour(light, level):
    even = evened(np.full((32, 40, 3), level, np.uint8), light)
    assert even.dtype == np.uint8
    assert even.std((0, 1)).max() < 1


def test_as_is_is_the_image():
    assert evened(IMAGE, "as_is") is IMAGE
