import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.records import SaliencyMaps

IDS = ["a", "b", "c"]
SIDE = 32


@pytest.fixture
def opened():
    return []


@pytest.fixture
def images(opened):
    maps = np.zeros((4, 128, 128), bool)
    for index in range(4):
        maps[index, 32 * index : 32 * (index + 1)] = True  # a stripe of its own
    saliency = SaliencyMaps(maps, ["other", *IDS], "folder", [])

    def open_image(path):
        opened.append(path)
        return np.full((SIDE, SIDE, 3), IDS.index(path[0]), np.uint8)

    return GoodImages(IDS, [f"{image_id}.png" for image_id in IDS], open_image, saliency)


def test_images_are_opened_when_asked_for(images, opened):
    assert len(images) == 3
    assert opened == []
    assert (images[2].image == 2).all()
    assert opened == ["c.png"]


def test_each_image_has_its_own_saliency_at_its_size(images, opened):
    for number, donor in enumerate(images):
        assert (donor.image == number).all()
        expected = np.zeros((SIDE, SIDE), bool)
        expected[8 * (number + 1) : 8 * (number + 2)] = True
        np.testing.assert_array_equal(donor.saliency, expected)
    assert opened == ["a.png", "b.png", "c.png"]


def test_an_image_without_saliency_is_said():
    saliency = SaliencyMaps(np.ones((1, 128, 128), bool), ["a"], "whole_image", [])
    images = GoodImages(["d"], ["d.png"], lambda _: np.zeros((8, 8, 3), np.uint8), saliency)
    with pytest.raises(InputError, match="'d' has no saliency map"):
        _ = images[0]
