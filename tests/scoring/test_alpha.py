import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.alpha import (
    BINS,
    alpha_error,
    density_and_distance,
    fit_alpha,
    upper_line,
)
from reb_pipeline.scoring.ldknn import SCORE_FORMS, ldknn_scores

UPPER_SLOPE = 0.2 + 0.25 * np.log(
    10
)  # of 0.2 + an exponential of mean 0.25, whose 0.9 quantile is 0.25 ln 10
# Of a form: what it calls density and distance, and back.
TO_SQUARED = {
    "subtract_squared": lambda values: values,
    "subtract": lambda values: values**2,
    "ratio": lambda values: np.exp(2 * values),
}
points = st.lists(st.tuples(st.integers(0, 30), st.integers(-50, 50)), min_size=1, max_size=120)


def planted(form, n_rows=150, per_row=200):
    """Good patches whose upper quantile grows faster with density than their mean."""
    rng = np.random.default_rng(0)
    density = rng.uniform(1, 3, n_rows)
    rows = rng.permutation(np.repeat(np.arange(n_rows), per_row)).reshape(4, -1)
    distance = 0.3 + density[rows] * (0.2 + rng.exponential(0.25, rows.shape))
    squared = TO_SQUARED[form](distance).astype(np.float32)
    local = LocalDensity(TO_SQUARED[form](density).astype(np.float32)[:, None], "a coreset")
    return squared, rows, local


@pytest.mark.parametrize("form", SCORE_FORMS)
def test_the_slope_of_the_upper_quantile_is_found(form):
    squared, rows, local = planted(form)
    alpha = fit_alpha(squared, rows, local, n_neighbors=1, form=form)
    assert alpha == pytest.approx(UPPER_SLOPE, abs=0.1)  # the mean's would be 0.45


@pytest.mark.parametrize("form", SCORE_FORMS)
def test_the_same_share_scores_high_in_dense_and_sparse_regions(form):
    squared, rows, local = planted(form)
    alpha = fit_alpha(squared, rows, local, n_neighbors=1, form=form)
    scores = ldknn_scores(squared, rows, local, n_neighbors=1, alpha=alpha, form=form)
    dense = local.squared_distances[rows, 0] < np.median(local.squared_distances)
    high = scores > np.quantile(scores, 0.9)
    assert high[dense].mean() == pytest.approx(high[~dense].mean(), abs=0.02)
    high = squared > np.quantile(squared, 0.9)
    assert high[dense].mean() < high[~dense].mean() - 0.04  # without alpha


def test_a_steep_slope_gives_the_paper_s_alpha():
    squared, rows, local = planted("subtract_squared")
    steep = (0.3 + 4 * (squared - 0.3)).astype(np.float32)
    assert upper_line(local.squared_distances[rows, 0].ravel(), steep.ravel())[0] > 2
    assert fit_alpha(steep, rows, local, n_neighbors=1) == 1


@given(points, st.randoms(use_true_random=False))
def test_the_order_of_patches_does_not_matter(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    lines = [upper_line(*np.array(order, np.float64).T) for order in (pairs, shuffled)]
    np.testing.assert_allclose(*lines, rtol=1e-6, atol=1e-6)


@given(points)
def test_line_is_least_squares_through_the_quantiles_of_bins(pairs):
    """One point after the other: the bin of a point is decided by how many x lie below its own."""
    bins: dict[int, list[tuple[int, int]]] = {}
    for x, y in pairs:
        below = sum(other < x for other, _ in pairs)
        bins.setdefault(below * BINS // len(pairs), []).append((x, y))
    centres, heights = [], []
    for members in bins.values():
        xs, ys = zip(*members, strict=True)
        centres += [sum(xs) / len(xs)] * len(xs)
        heights += [np.quantile(ys, 0.9)] * len(xs)
    slope = np.polyfit(centres, heights, 1)[0] if len(bins) > 1 else 0.0
    found, intercept = upper_line(*np.array(pairs, np.float64).T)
    assert found == pytest.approx(max(0, slope), rel=1e-6, abs=1e-6)
    assert intercept == pytest.approx(np.mean(heights) - found * np.mean(centres), abs=1e-6)


@given(st.floats(1e-3, 1e6), st.integers(200, 400))
def test_alpha_is_zero_where_all_densities_are_alike(density, n_patches):
    squared = np.random.default_rng(0).uniform(0, 9, n_patches).astype(np.float32)
    local = LocalDensity(np.full((7, 3), density, np.float32), "a coreset")
    rows = np.arange(n_patches) % 7
    for form in SCORE_FORMS:
        assert fit_alpha(squared, rows, local, n_neighbors=3, form=form) == 0


@pytest.mark.parametrize("form", SCORE_FORMS)
def test_alpha_is_zero_where_distances_fall_with_density(form):
    squared, rows, local = planted(form)
    falling = LocalDensity(1 / local.squared_distances, "a coreset")
    assert fit_alpha(squared, rows, falling, n_neighbors=1, form=form) == 0


@pytest.mark.parametrize("form", SCORE_FORMS)
def test_copies_in_the_bank_give_a_number(form):
    squared, rows, local = planted(form)
    local.squared_distances[:30] = 0
    squared[rows < 30] = 0
    assert np.isfinite(fit_alpha(squared, rows, local, n_neighbors=1, form=form))


ALIKE = LocalDensity(np.ones((2, 1), np.float32), "a coreset")


def alike(*shape):
    """Patches that all have the same distance and nearest row."""
    return np.ones(shape, np.float32), np.zeros(shape, np.int32)


@pytest.mark.parametrize(
    "shape", [(0, 9, 9), (1, 500), (1, 32, 32), (2, 32, 32), (3, 66), (4, 7, 7)]
)
def test_too_few_images_or_patches_are_refused(shape):
    said = f"3 good images with 200 patches in all, but there are {shape[0]} with {np.prod(shape)}: give"
    with pytest.raises(InputError, match=said):
        fit_alpha(*alike(*shape), ALIKE, n_neighbors=1)


@pytest.mark.parametrize(("n_images", "warns"), [(3, True), (19, True), (20, False), (21, False)])
def test_a_warning_says_that_images_are_few(caplog, n_images, warns):
    assert fit_alpha(*alike(n_images, 10, 10), ALIKE, n_neighbors=1) == 0
    said = [record.getMessage() for record in caplog.records]
    assert [f"fitted to {n_images} good images, fewer than 20" in text for text in said] == (
        [True] if warns else []
    )


def images_with_slopes(
    n_images, spread, seed, form="subtract_squared", n_patches=80, mean_slope=1.5
):
    """Images whose upper distances grow with density, each by a slope of its own around a mean."""
    rng = np.random.default_rng(seed)
    density = rng.uniform(1, 3, 150)
    rows = rng.integers(150, size=(n_images, n_patches))
    slopes = rng.normal(mean_slope, spread, (n_images, 1))
    distance = 1 + slopes * density[rows] * rng.uniform(0.5, 1, rows.shape)
    squared = TO_SQUARED[form](distance).astype(np.float32)
    return squared, rows, LocalDensity(TO_SQUARED[form](density).astype(np.float32)[:, None], "")


def test_the_error_is_how_much_alpha_varies_over_samples_of_images():
    samples = [images_with_slopes(25, 0.2, seed, mean_slope=0.6) for seed in range(80)]
    alphas = [fit_alpha(*sample, n_neighbors=1) for sample in samples]
    errors = [alpha_error(*sample, n_neighbors=1) for sample in samples[:5]]
    assert np.mean(errors) == pytest.approx(np.std(alphas, ddof=1), rel=0.3)


@pytest.mark.parametrize("form", SCORE_FORMS)
def test_fewer_images_have_a_larger_error(form):
    few, many = (
        alpha_error(*images_with_slopes(n, 0.1, 0, form), n_neighbors=1, form=form) for n in (5, 60)
    )
    assert few > 1.5 * many > 0


def test_copies_of_an_image_say_nothing_about_the_error():
    squared, rows, local = images_with_slopes(1, 0.5, 0)
    copies = np.repeat(squared, 20, axis=0), np.repeat(rows, 20, axis=0)
    assert alpha_error(*copies, local, n_neighbors=1) == pytest.approx(0, abs=1e-9)


def test_the_error_is_the_same_in_every_run():
    squared, rows, local = images_with_slopes(5, 0.3, 0)
    first, second = (alpha_error(squared, rows, local, n_neighbors=1) for _ in range(2))
    assert first == second > 0


def test_density_and_distance_are_those_of_the_nearest_row():
    rng = np.random.default_rng(0)
    local = LocalDensity(rng.uniform(1, 2, (6, 4)).astype(np.float32), "a coreset")
    rows = rng.integers(0, 6, (2, 3, 5, 2)).astype(np.int32)
    squared = rng.uniform(0, 9, rows.shape).astype(np.float32)
    none = np.empty((2, 8), np.float32)
    found = NearestPatches(squared, rows, none, none, ["a", "b"], "a coreset")
    density, distance = density_and_distance(found, local, 3)
    for image, y, x in np.ndindex(2, 3, 5):
        expected = local.squared_distances[rows[image, y, x, 0], :3].mean()
        assert density[image, 5 * y + x] == pytest.approx(expected)
        assert distance[image, 5 * y + x] == squared[image, y, x, 0]
    with pytest.raises(InputError, match="local density is that of another coreset"):
        density_and_distance(found, LocalDensity(local.squared_distances, "another"), 3)
