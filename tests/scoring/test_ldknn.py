import numpy as np
import pytest

from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.scoring.ldknn import SCORE_FORMS, ldknn_scores

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
