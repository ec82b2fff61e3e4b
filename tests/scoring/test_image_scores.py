import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pydantic import ValidationError
from torch.nn import functional

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.nearest_patches import search_images
from reb_pipeline.scoring import image_scores as image_scores_module
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.image_scores import (
    IMAGE_SCORES,
    block_max_score,
    image_scores,
    left_out_share,
    max_score,
)
from reb_pipeline.scoring.settings import ImageScoreSettings, ScoringSettings

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
    scores = image_scores(GRIDS, ImageScoreSettings(image_score="top_k_mean", top_patches=n))
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize(("share", "n"), [(0.001, 1), (0.05, 1), (0.12, 2), (0.35, 7), (1.0, 20)])
def test_top_share_mean(share, n):
    expected = [np.sort(image.ravel())[::-1][:n].mean() for image in GRIDS]
    asked = ImageScoreSettings(image_score="top_share_mean", top_share=share)
    np.testing.assert_allclose(image_scores(GRIDS, asked), expected, rtol=1e-5)


@pytest.mark.parametrize(("share", "n"), [(0.001, 1), (0.12, 2), (0.35, 7), (1.0, 20)])
def test_ranked_mean_weights_the_highest_squares_by_one_over_their_rank(share, n):
    h, w = GRIDS.shape[1:]
    expected = []
    for grid in GRIDS:
        squares = sorted(
            (
                grid[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean()
                for y in range(h)
                for x in range(w)
            ),
            reverse=True,
        )
        ranks = range(1, n + 1)
        total = sum(square / rank for square, rank in zip(squares[:n], ranks, strict=True))
        expected.append(total / sum(1 / rank for rank in ranks))
    asked = ImageScoreSettings(image_score="ranked_mean", top_share=share)
    np.testing.assert_allclose(image_scores(GRIDS, asked), expected, rtol=1e-5)


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_is_above_zero_and_at_most_one(share):
    with pytest.raises(ValidationError, match="top_share"):
        ImageScoreSettings(top_share=share)


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_mean_max_is_the_highest_mean_of_the_patches_around_one(scores):
    expected = [
        max(
            image[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean(dtype=np.float64)
            for y in range(image.shape[0])
            for x in range(image.shape[1])
        )
        for image in scores
    ]
    found = image_scores(scores, ImageScoreSettings(image_score="mean_max"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


READ_ALL = ("mean_max", "max", "top_k_mean", "top_share_mean", "average", "thresholded_area")


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (8, 8), (16, 16), (31, 20), (32, 32)])
@pytest.mark.parametrize("name", READ_ALL)
def test_a_high_patch_counts_wherever_it_lies(name, shape):
    asked = ImageScoreSettings(image_score=name, area_threshold=0.5)
    marked = np.eye(np.prod(shape), dtype=np.float32).reshape(-1, *shape)
    good = image_scores(np.zeros((1, *shape), np.float32), asked)
    assert (image_scores(marked, asked) > good).all()


@pytest.mark.parametrize("shape", [(1, 2), (3, 3), (4, 9), (8, 8), (16, 16), (32, 32), (35, 34)])
def test_block_max_says_what_it_leaves_out(shape):
    marked = np.eye(np.prod(shape), dtype=np.float32).reshape(-1, *shape)
    blind = image_scores(marked, PLAIN) == 0
    assert left_out_share(*shape) == pytest.approx(blind.mean())


def test_a_warning_says_that_much_is_left_out(caplog):
    image_scores_module._warn_of_patches_left_out.cache_clear()
    for grid in (np.zeros((2, 32, 32)), np.zeros((2, 8, 8)), np.zeros((1, 8, 8))):
        image_scores(grid, PLAIN)
    image_scores(np.zeros((2, 8, 8)), ImageScoreSettings(image_score="mean_max"))
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "grid of 8 x 8 patches, 44 % of all" in warning
    assert "mean_max" in warning


@pytest.mark.parametrize("q", [0.0, 0.5, 0.99, 1.0])
def test_quantile(q):
    scores = image_scores(GRIDS, ImageScoreSettings(image_score="quantile", quantile=q))
    np.testing.assert_allclose(scores, [np.quantile(image, q) for image in GRIDS], rtol=1e-5)


def test_average():
    np.testing.assert_allclose(
        image_scores(GRIDS, ImageScoreSettings(image_score="average")),
        [image.mean() for image in GRIDS],
        rtol=1e-5,
    )


def test_thresholded_area_counts_patches_above():
    scores = np.float32([[[0, 1], [2, 3]], [[1, 1], [1, 1]]])
    areas = image_scores(
        scores, ImageScoreSettings(image_score="thresholded_area", area_threshold=1)
    )
    assert areas.tolist() == [0.5, 0]
    with pytest.raises(ValidationError, match="thresholded_area needs area_threshold"):
        ImageScoreSettings(image_score="thresholded_area")


@pytest.mark.parametrize(
    "name", [name for name, score in IMAGE_SCORES.items() if not score.compares_neighbors]
)
def test_one_number_an_image(name):
    scores = image_scores(GRIDS, ImageScoreSettings(image_score=name, area_threshold=0.5))
    assert scores.shape == (3,)
    assert scores.dtype == np.float32


def reweighting_detector(rows, coreset_order, b):
    """A detector with the image score reweighted, all rows of a bank as its coreset."""
    bank = collect_patches([("a", np.float32(rows)[None])], n_images=1, extractor={})
    coreset = Coreset(coreset_order, len(coreset_order))
    scoring = ScoringSettings(
        scorer="nearest", image_score="reweighted", n_neighbors=b, max_neighbors=b
    )
    density = measure_local_density(bank, coreset, 2)
    return MemoryBankDetector.of(coreset.of(bank), density, scoring)


def random_reweighting(b, depth=1):
    rng = np.random.default_rng(b)
    detector = reweighting_detector(rng.normal(size=(40, 6)), rng.permutation(40), b)
    images = {name: rng.normal(size=(2, 3, 6)).astype(np.float32) for name in "abcd"}
    return detector, search_images(images.items(), detector.bank, depth), images


@pytest.mark.parametrize("b", [2, 5, 40])
@pytest.mark.parametrize("depth", [1, 4])
def test_reweighted_is_equation_7(b, depth):
    detector, found, images = random_reweighting(b, depth)
    features = detector.features.astype(np.float64)
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
    np.testing.assert_allclose(detector.score(found).image_scores, expected, rtol=1e-4)


def test_reweighted_is_finite_where_distances_are_large():
    rows = np.random.default_rng(0).normal(0, 1000, (9, 4))
    detector = reweighting_detector(rows, np.arange(9), 3)
    found = search_images([("b", np.zeros((1, 2, 4), np.float32))], detector.bank)
    scores = detector.score(found).image_scores
    nearest = np.linalg.norm(detector.features, axis=1).min()
    assert 0 < scores[0] <= nearest * (1 + 1e-6)


def test_reweighted_needs_a_neighbourhood():
    with pytest.raises(ValidationError, match="reweighted needs scorer = nearest and n_neighbors"):
        ScoringSettings(scorer="nearest", image_score="reweighted", n_neighbors=1)
    detector, found, _ = random_reweighting(41)
    with pytest.raises(InputError, match=r"n_neighbors = 41 .* from 2 to 40, the number"):
        detector.score(found)


def test_reweighted_is_refused_where_no_neighbours_are():
    with pytest.raises(
        InputError, match=r"reweighted compares the neighbours .*: set .* block_max"
    ):
        image_scores(GRIDS, ImageScoreSettings(image_score="reweighted"))


def test_unknown_image_score():
    with pytest.raises(ValidationError, match=r"Input should be 'block_max', .* or 'reweighted'"):
        ImageScoreSettings(image_score="block_mx")
