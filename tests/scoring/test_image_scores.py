import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch.nn import functional

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.nearest_patches import search_images
from reb_pipeline.scoring.image_scores import (
    IMAGE_SCORES,
    ImageScoreSettings,
    block_max_score,
    image_scores,
    max_score,
    reweighted,
)
from reb_pipeline.scoring.patch_scores import Neighborhoods

PLAIN = ImageScoreSettings()


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(3, 14), st.integers(3, 14)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_image_scores_are_the_reference_s(scores):
    pooled = functional.avg_pool2d(torch.from_numpy(scores)[:, None], 3, 3).amax(dim=(1, 2, 3))
    np.testing.assert_allclose(block_max_score(scores, PLAIN), pooled, rtol=1e-5, atol=1e-4)
    assert max_score(scores, PLAIN).tolist() == [max(image.ravel()) for image in scores]


def test_the_grid_s_rest_counts_for_nothing():
    scores = np.zeros((1, 32, 32), np.float32)
    scores[:, 30:], scores[:, :, 30:] = 9, 9
    assert block_max_score(scores, PLAIN).tolist() == [0]
    assert max_score(scores, PLAIN).tolist() == [9]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 5), (2, 7), (7, 2)])
def test_grids_smaller_than_a_block(shape):
    scores = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    side_y, side_x = min(3, shape[0]), min(3, shape[1])
    blocks = [
        scores[0, y : y + side_y, x : x + side_x].mean()
        for y in range(0, shape[0] - side_y + 1, side_y)
        for x in range(0, shape[1] - side_x + 1, side_x)
    ]
    assert block_max_score(scores, PLAIN) == pytest.approx([max(blocks)])


GRIDS = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 3, 20, 99])
def test_top_k_mean(n):
    expected = [np.sort(image.ravel())[::-1][:n].mean() for image in GRIDS]
    scores = IMAGE_SCORES["top_k_mean"](GRIDS, ImageScoreSettings(top_patches=n))
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize("q", [0.0, 0.5, 0.99, 1.0])
def test_quantile(q):
    scores = IMAGE_SCORES["quantile"](GRIDS, ImageScoreSettings(quantile=q))
    np.testing.assert_allclose(scores, [np.quantile(image, q) for image in GRIDS], rtol=1e-5)


def test_average():
    np.testing.assert_allclose(
        IMAGE_SCORES["average"](GRIDS, PLAIN), [image.mean() for image in GRIDS], rtol=1e-5
    )


def test_thresholded_area_counts_patches_above():
    scores = np.float32([[[0, 1], [2, 3]], [[1, 1], [1, 1]]])
    areas = IMAGE_SCORES["thresholded_area"](scores, ImageScoreSettings(area_threshold=1))
    assert areas.tolist() == [0.5, 0]
    with pytest.raises(InputError, match=r"thresholded_area needs .*: set area_threshold"):
        IMAGE_SCORES["thresholded_area"](scores, PLAIN)


@pytest.mark.parametrize("name", IMAGE_SCORES)
def test_one_number_an_image(name):
    scores = IMAGE_SCORES[name](GRIDS, ImageScoreSettings(area_threshold=0.5))
    assert scores.shape == (3,)
    assert scores.dtype == np.float32


def make_neighborhoods(seed, n_rows=40, depth=1):
    rng = np.random.default_rng(seed)
    bank = collect_patches(
        [("a", rng.normal(size=(1, n_rows, 6)).astype(np.float32))], n_images=1, extractor={}
    )
    coreset = Coreset(rng.permutation(n_rows), n_rows)
    features = coreset.features(bank)
    images = {name: rng.normal(size=(2, 3, 6)).astype(np.float32) for name in "abcd"}
    found = search_images(images.items(), features, depth)
    return Neighborhoods(found, measure_local_density(bank, coreset, 2), features), images


@pytest.mark.parametrize("b", [2, 5, 40])
@pytest.mark.parametrize("depth", [1, 4])
def test_reweighted_is_equation_7(b, depth):
    neighborhoods, images = make_neighborhoods(b, depth=depth)
    features = neighborhoods.features.astype(np.float64)
    expected = []
    for grid in images.values():
        patches = grid.reshape(-1, 6)
        between = np.linalg.norm(patches[:, None] - features, axis=2)
        peak = between.min(axis=1).argmax()
        row = between[peak].argmin()
        support = np.linalg.norm(features - features[row], axis=1).argsort()[:b]
        assert support[0] == row
        exponentials = np.exp(between[peak, support])
        expected.append((1 - exponentials[0] / exponentials.sum()) * between[peak, row])
    np.testing.assert_allclose(reweighted(neighborhoods, b), expected, rtol=1e-4)
    scores = image_scores(GRIDS, neighborhoods, "reweighted", n_neighbors=b, settings=PLAIN)
    np.testing.assert_array_equal(scores, reweighted(neighborhoods, b))


def test_reweighted_is_finite_where_distances_are_large():
    rng = np.random.default_rng(0)
    bank = collect_patches(
        [("a", rng.normal(0, 1000, (1, 9, 4)).astype(np.float32))], n_images=1, extractor={}
    )
    coreset = Coreset(np.arange(9), 9)
    found = search_images([("b", np.zeros((1, 2, 4), np.float32))], bank.features)
    density = measure_local_density(bank, coreset, 2)
    scores = reweighted(Neighborhoods(found, density, bank.features), 3)
    nearest = np.linalg.norm(bank.features, axis=1).min()
    assert 0 < scores[0] <= nearest * (1 + 1e-6)


@pytest.mark.parametrize("b", [1, 41])
def test_reweighted_needs_a_neighbourhood(b):
    with pytest.raises(InputError, match=rf"n_neighbors = {b} .* from 2 to 40, the number"):
        reweighted(make_neighborhoods(0)[0], b)


def test_unknown_image_score():
    with pytest.raises(InputError, match="'block_mx' is unknown: did you mean 'block_max'"):
        image_scores(GRIDS, None, "block_mx", n_neighbors=1, settings=PLAIN)
