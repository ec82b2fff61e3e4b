"""Changes of light, focus and place, against their formulas."""

import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis.extra.numpy import arrays

from reb_pipeline.images.light import (
    CHANGES,
    SIDE,
    blur,
    gain,
    gamma,
    gradient,
    in_other_light,
    rotation,
    shift,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)


def rounded(values):
    return np.clip(np.rint(values), 0, 255)


@pytest.mark.parametrize("name", CHANGES)
def test_the_level_of_no_change_changes_nothing(name):
    steps = CHANGES[name]
    np.testing.assert_array_equal(steps.change(IMAGE, steps.unchanged), IMAGE)
    for level in steps.levels:
        changed = steps.change(IMAGE, level)
        assert changed.shape == IMAGE.shape
        assert changed.dtype == np.uint8


@given(strategies.floats(0.5, 2), strategies.floats(0, 0.5))
def test_light_multiplies_or_raises_values_and_saturates(level, slope):
    values = IMAGE.astype(float)
    np.testing.assert_array_equal(gain(IMAGE, level), rounded(values * level))
    powers = 255 * (values / 255) ** level
    np.testing.assert_array_equal(gamma(IMAGE, level), rounded(powers))
    light = np.linspace(1 - slope, 1 + slope, 13)[None, :, None]
    np.testing.assert_allclose(gradient(IMAGE, slope), rounded(values * light), atol=1)


def test_places_move_by_a_share_of_the_image_and_a_blur_is_stated_for_one_height():
    image = np.zeros((20, 40, 3), np.uint8)
    image[10, 10] = 200
    assert np.argwhere(shift(image, 0.1)[..., 0]).tolist() == [[12, 14]]
    turned = rotation(image[:, :20], 90)  # of a square, around its centre
    assert turned.sum() == image.sum()
    spread = blur(np.repeat(np.repeat(image, 16, 0), 16, 1), SIDE / 320)  # 1 px of 320
    assert spread[160:176, 160:176].max() == 200
    assert spread[157, 165, 0] > 0


@given(arrays(np.uint8, (5, 7, 3)), strategies.integers(1, 20))
def test_a_copy_depends_on_the_image_and_its_number_alone(image, number):
    once = in_other_light(image, number)
    np.testing.assert_array_equal(once, in_other_light(np.array(image), number))
    assert once.shape == image.shape
    brightest = 1.3 * image.max() / 255
    assert once.max() <= np.ceil(1.6 * 255 * max(brightest**0.75, brightest**1.35))


def test_copies_differ_from_one_another_and_light_falls_off_to_any_side():
    grey = np.full((64, 64, 3), 120, np.uint8)
    copies = np.stack([in_other_light(grey, number) for number in range(1, 21)]).astype(float)
    assert len(np.unique(copies.reshape(20, -1), axis=0)) == 20
    across = copies[:, :, -1].mean((1, 2)) - copies[:, :, 0].mean((1, 2))
    down = copies[:, -1].mean((1, 2)) - copies[:, 0].mean((1, 2))
    for slopes in (across, down):
        assert slopes.min() < -2
        assert slopes.max() > 2
    means = copies.mean((1, 2, 3))
    assert means.min() < 105
    assert means.max() > 130
