import numpy as np
import pytest

from reb_pipeline.neighbors.bank import Coreset, collect_patches
from reb_pipeline.neighbors.density import measure_local_density
from reb_pipeline.neighbors.held_out import search_own_images

IDS = ["a", "b", "c"]
H, W, CHANNELS = 2, 3, 4


def make_bank(n_images=3):
    rng = np.random.default_rng(0)
    grids = rng.normal(size=(n_images, H, W, CHANNELS)).astype(np.float32)
    return collect_patches(zip(IDS, grids, strict=False), n_images, {})


@pytest.mark.parametrize("wanted", [{"a"}, {"a", "c", "not in the bank"}])
def test_own_rows_are_left_out(wanted):
    bank = make_bank()
    rows = np.array([3, 17, 0, 8, 12])
    found = search_own_images(bank, Coreset(rows, len(bank.features)), wanted)
    assert found.image_ids == sorted(wanted & set(IDS))
    for place, image_id in enumerate(found.image_ids):
        image = IDS.index(image_id)
        for y, x in np.ndindex(H, W):
            query = bank.features[(image * H + y) * W + x]
            squared = ((bank.features[rows] - query) ** 2).sum(axis=1)
            squared[bank.image[rows] == image] = np.inf
            assert found.rows[place, y, x, 0] == squared.argmin()
            assert found.squared_distances[place, y, x, 0] == pytest.approx(squared.min())


def test_an_image_that_owns_the_coreset_is_left_out():
    bank = make_bank()
    coreset = Coreset(np.array([1, 4]), len(bank.features))  # both of the first image
    assert search_own_images(bank, coreset, set(IDS)).image_ids == ["b", "c"]


def test_a_single_image_has_nothing_to_be_compared_with():
    bank = make_bank(n_images=1)
    coreset = Coreset(np.arange(H * W), H * W)
    found = search_own_images(bank, coreset, {"a"})
    assert found.image_ids == []
    assert found.rows.shape == found.squared_distances.shape == (0, H, W, 1)
    assert found.peak_features.shape == (0, CHANNELS)
    assert found.coreset == measure_local_density(bank, coreset, 2).coreset
