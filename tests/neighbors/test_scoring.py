import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch.nn import functional

from reb_pipeline.neighbors.density import LocalDensity
from reb_pipeline.neighbors.scoring import SCORE_FORMS, block_max_score, ldknn_scores, max_score

N_ROWS, K_MAX = 5, 4
RNG = np.random.default_rng(0)
SQUARED = RNG.uniform(0, 9, (2, 3, 4)).astype(np.float32)
ROWS = RNG.integers(0, N_ROWS, SQUARED.shape).astype(np.int32)
DENSITY = LocalDensity(
    np.sort(RNG.uniform(0.1, 4, (N_ROWS, K_MAX)), axis=1).astype(np.float32), "a coreset"
)


def written_out(form, k, alpha):
    """The three formulas, one patch after the other."""
    scores = np.empty(SQUARED.shape)
    for patch in np.ndindex(SQUARED.shape):
        squared, neighbours = float(SQUARED[patch]), DENSITY.squared_distances[ROWS[patch]][:k]
        mean_squared = sum(map(float, neighbours)) / k
        mean = sum(float(n) ** 0.5 for n in neighbours) / k
        scores[patch] = {
            "subtract_squared": squared - alpha * mean_squared,
            "subtract": squared**0.5 - alpha * mean,
            "ratio": squared**0.5 / mean**alpha,
        }[form]
    return scores


@pytest.mark.parametrize("form", SCORE_FORMS)
@pytest.mark.parametrize("k", [1, 3, K_MAX])
@pytest.mark.parametrize("alpha", [0, 0.5, 1, 2])
def test_forms_are_their_formulas(form, k, alpha):
    scores = ldknn_scores(SQUARED, ROWS, DENSITY, n_neighbors=k, alpha=alpha, form=form)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, written_out(form, k, alpha), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", SCORE_FORMS)
def test_alpha_zero_is_the_nearest_neighbour(form):
    scores = ldknn_scores(SQUARED, ROWS, DENSITY, n_neighbors=2, alpha=0, form=form)
    nearest = SQUARED if form == "subtract_squared" else np.sqrt(SQUARED)
    np.testing.assert_array_equal(scores, nearest)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("copies", [1, N_ROWS])
def test_ratio_is_finite_where_bank_rows_are_copies(copies, alpha):
    """A bank of a uniform background: some or all local densities are zero."""
    distances = DENSITY.squared_distances.copy()
    distances[:copies] = 0
    scores = ldknn_scores(
        1e4 * SQUARED,
        ROWS,
        LocalDensity(distances, "a coreset"),
        n_neighbors=K_MAX,
        alpha=alpha,
        form="ratio",
    )
    assert np.isfinite(scores).all()
    copied = np.isin(ROWS, range(copies))
    order = np.argsort(SQUARED[copied])
    assert (np.diff(scores[copied][order]) >= 0).all()


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
    np.testing.assert_allclose(block_max_score(scores), pooled, rtol=1e-5, atol=1e-4)
    assert max_score(scores).tolist() == [max(image.ravel()) for image in scores]


def test_the_grid_s_rest_counts_for_nothing():
    scores = np.zeros((1, 32, 32), np.float32)
    scores[:, 30:], scores[:, :, 30:] = 9, 9
    assert block_max_score(scores).tolist() == [0]
    assert max_score(scores).tolist() == [9]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 5), (2, 7), (7, 2)])
def test_grids_smaller_than_a_block(shape):
    scores = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    side_y, side_x = min(3, shape[0]), min(3, shape[1])
    blocks = [
        scores[0, y : y + side_y, x : x + side_x].mean()
        for y in range(0, shape[0] - side_y + 1, side_y)
        for x in range(0, shape[1] - side_x + 1, side_x)
    ]
    assert block_max_score(scores) == pytest.approx([max(blocks)])
