import numpy as np
import pandas as pd
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.images.region import NEUTRAL, Region
from reb_pipeline.images.samples import Samples

IDS = ["a", "b", "c"]
SIDE = 32


class Plain:
    """Images of one grey level each, larger than asked for; notes what is opened."""

    category = "part"

    def __init__(self):
        self.opened = []

    def open_image(self, path):
        self.opened.append(path)
        return np.full((40, 60, 3), IDS.index(path[0]), np.uint8)


def samples_of(image_ids, images):
    paths = [f"{image_id}.png" for image_id in image_ids]
    return Samples(pd.DataFrame({"id": image_ids, "path": paths}), images)


@pytest.fixture
def plain():
    return Plain()


@pytest.fixture
def images(plain):
    maps = np.zeros((4, 128, 128), bool)
    for index in range(4):
        maps[index, 32 * index : 32 * (index + 1)] = True  # a stripe of its own
    saliency = SaliencyMaps(maps, ["other", *IDS], "folder", [])
    return GoodImages(samples_of(IDS, plain), saliency, SIDE)


def test_images_are_opened_when_asked_for(images, plain):
    assert len(images) == 3
    assert plain.opened == []
    assert (images[2].image == 2).all()
    assert plain.opened == ["c.png"]


def test_each_image_has_its_own_saliency_at_the_same_size(images, plain):
    for number, donor in enumerate(images):
        assert donor.image.shape == (SIDE, SIDE, 3)
        assert (donor.image == number).all()
        expected = np.zeros((SIDE, SIDE), bool)
        expected[8 * (number + 1) : 8 * (number + 2)] = True
        np.testing.assert_array_equal(donor.saliency, expected)
    assert plain.opened == ["a.png", "b.png", "c.png"]


def test_an_image_without_saliency_is_said(plain):
    saliency = SaliencyMaps(np.ones((1, 128, 128), bool), ["a"], "whole_image", [])
    images = GoodImages(samples_of(["b"], plain), saliency, SIDE)
    with pytest.raises(InputError, match="'b' has no saliency map"):
        _ = images[0]


def test_nothing_outside_of_a_region_is_seen_or_salient(plain):
    maps = np.zeros((2, 128, 128), bool)
    maps[0, :, :96] = maps[1, :, 96:] = True
    inside = np.zeros((SIDE, SIDE), bool)
    inside[:, :16] = True
    saliency = SaliencyMaps(maps, ["a", "b"], "folder", [])
    found = GoodImages(samples_of(["a", "b"], plain), saliency, SIDE, Region(inside))
    for number, donor in enumerate(found):
        assert (donor.image[inside] == number).all()
        assert (donor.image[~inside] == NEUTRAL).all()
        np.testing.assert_array_equal(donor.saliency, inside)  # of "b" nothing else is left


def test_images_are_opened_once_as_far_as_the_memory_holds_them(images, plain, monkeypatch):
    assert [images[index].image[0, 0, 0] for index in (0, 1, 0, 2, 0, 1)] == [0, 1, 0, 2, 0, 1]
    assert plain.opened == ["a.png", "b.png", "c.png"]
    monkeypatch.setattr("reb_pipeline.defectmaker.good_images.KEPT_BYTES", 2 * 4 * SIDE * SIDE)
    few = GoodImages(samples_of(IDS, plain), images._saliency, SIDE)
    plain.opened.clear()
    assert [few[index].image[0, 0, 0] for index in (0, 1, 0, 2, 0, 1)] == [0, 1, 0, 2, 0, 1]
    assert plain.opened == ["a.png", "b.png", "c.png", "b.png"]
