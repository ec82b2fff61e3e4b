from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from reb_pipeline.neighbors.bank import Coreset, collect_patches
from reb_pipeline.neighbors.coreset import greedy_k_center, select_coreset

# Whole numbers: their squared distances are exact, so that ties are ties.
POINTS = npst.arrays(
    np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=st.integers(-5, 5)
)


def distances(features):
    return np.linalg.norm(features[:, None].astype(np.float64) - features[None], axis=2)


def covering_radius(features, rows):
    return distances(features)[:, rows].min(axis=1).max()


def obvious_k_center(features, n_select, first):
    """The row farthest from its nearest selected row, over and over."""
    between = distances(features)
    selected = [first]
    while len(selected) < n_select:
        left = [row for row in range(len(features)) if row not in selected]
        selected.append(max(left, key=lambda row: between[row, selected].min()))
    return selected


@settings(max_examples=60, deadline=None)
@given(POINTS, st.integers(0, 99), st.data())
def test_equals_the_obvious_implementation(features, seed, data):
    n_select = data.draw(st.integers(1, len(features)))
    rows = greedy_k_center(features, n_select, seed)
    assert len(set(rows.tolist())) == n_select  # also among exact duplicates
    assert rows.tolist() == obvious_k_center(features, n_select, rows[0])
    np.testing.assert_array_equal(rows, greedy_k_center(features, n_select, seed))


@settings(max_examples=60, deadline=None)
@given(POINTS, st.integers(0, 99), st.data())
def test_covers_at_most_twice_as_far_as_the_optimum(features, seed, data):
    n_select = data.draw(st.integers(1, min(4, len(features))))
    optimum = min(
        covering_radius(features, list(rows))
        for rows in combinations(range(len(features)), n_select)
    )
    radius = covering_radius(features, greedy_k_center(features, n_select, seed))
    assert radius <= 2 * optimum + 1e-9


def test_equals_the_obvious_implementation_on_real_numbers():
    features = np.random.default_rng(1).normal(0, 3, (200, 16)).astype(np.float32)
    rows = greedy_k_center(features, 150, seed=0)
    assert rows.tolist() == obvious_k_center(features, 150, rows[0])


def test_the_seed_draws_the_start():
    features = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    starts = {int(greedy_k_center(features, 1, seed)[0]) for seed in range(20)}
    assert len(starts) > 5


@pytest.mark.parametrize("n_select", [0, 4])
def test_as_many_rows_as_there_are(n_select):
    with pytest.raises(ValueError, match=rf"{n_select} coreset rows asked of 3: .* 1\.\.3"):
        greedy_k_center(np.zeros((3, 2), np.float32), n_select, seed=0)


@pytest.mark.parametrize(("ratio", "expected"), [(0.001, 1), (0.1, 2), (0.5, 12), (0.99, 23)])
def test_share_of_the_bank(ratio, expected):
    grid = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
    bank = collect_patches([("a", grid)], n_images=1, extractor={})
    coreset = select_coreset(bank, ratio, seed=3)
    np.testing.assert_array_equal(coreset.rows, greedy_k_center(bank.features, expected, seed=3))
    np.testing.assert_array_equal(coreset.features(bank), bank.features[coreset.rows])


def test_the_whole_bank_is_not_copied():
    bank = collect_patches([("a", np.ones((4, 6, 3), np.float32))], n_images=1, extractor={})
    coreset = select_coreset(bank, 1.0, seed=0)
    assert coreset.rows.tolist() == list(range(24))
    assert coreset.features(bank) is bank.features


def test_all_rows_in_another_order_keep_their_order():
    grid = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    bank = collect_patches([("a", grid)], n_images=1, extractor={})
    assert Coreset(np.array([2, 0, 1]), 3).features(bank).ravel().tolist() == [2, 0, 1]
