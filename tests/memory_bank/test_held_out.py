import numpy as np
import pytest

from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import search_own_images

IDS = ["a", "b", "c"]
H, W, CHANNELS = 2, 3, 4


def make_bank(n_images=3):
    rng = np.random.default_rng(0)
    grids = rng.normal(size=(n_images, H, W, CHANNELS)).astype(np.float32)
    return collect_patches(zip(IDS, grids, strict=False), n_images, {})


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("wanted", [{"a"}, {"a", "c", "not in the bank"}])
def test_own_rows_are_left_out(wanted, k):
    bank = make_bank()
    rows = np.array([3, 17, 0, 8, 12])
    found = search_own_images(bank, Coreset(rows, len(bank.features)), wanted, k)
    assert found.image_ids == sorted(wanted & set(IDS))
    assert found.max_neighbors == k
    for place, image_id in enumerate(found.image_ids):
        image = IDS.index(image_id)
        for y, x in np.ndindex(H, W):
            query = bank.features[(image * H + y) * W + x]
            squared = ((bank.features[rows] - query) ** 2).sum(axis=1)
            squared[bank.image[rows] == image] = np.inf
            assert found.rows[place, y, x].tolist() == squared.argsort()[:k].tolist()
            assert found.squared_distances[place, y, x] == pytest.approx(
                np.sort(squared)[:k], rel=1e-5
            )


@pytest.mark.parametrize(("k", "kept"), [(1, "abc"), (2, "bc"), (3, "c"), (4, "")])
def test_an_image_that_leaves_too_few_rows_of_others_is_left_out(k, kept):
    bank = make_bank()
    coreset = Coreset(np.array([1, 4, 7]), len(bank.features))  # two of "a", one of "b"
    found = search_own_images(bank, coreset, set(IDS), k)
    assert found.image_ids == list(kept)
    assert found.rows.shape == (len(kept), H, W, k)


def test_a_single_image_has_nothing_to_be_compared_with():
    bank = make_bank(n_images=1)
    coreset = Coreset(np.arange(H * W), H * W)
    found = search_own_images(bank, coreset, {"a"})
    assert found.image_ids == []
    assert found.rows.shape == found.squared_distances.shape == (0, H, W, 1)
    assert found.peak_features.shape == found.mean_features.shape == (0, CHANNELS)
    assert found.coreset_fingerprint == measure_local_density(bank, coreset, 2).coreset_fingerprint
