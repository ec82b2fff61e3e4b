"""Copies of images that a memory bank learns too."""

import numpy as np
import pytest

from reb_pipeline.images.copies import Copy, copies_of_images


@pytest.mark.parametrize("turned", [1, 3])
def test_turned_copies_of_a_square_are_those_of_numpy(turned):
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    for copy in copies_of_images(light=0, turned=turned):
        expected = np.rot90(image, round(copy.degrees / 90))
        np.testing.assert_allclose(copy.of(image).astype(int), expected, atol=1)


def test_copies_have_names_of_their_own():
    copies = copies_of_images(light=2, turned=11)
    assert len({copy.name for copy in copies}) == len(copies) == 13
    assert Copy(light=1).name == "other_light1"  # that of cached features of former versions
