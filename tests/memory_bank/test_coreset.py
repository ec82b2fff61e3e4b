import logging
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.allocation import GIB
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.search import k_center, upper_bounds
from reb_pipeline.search.k_center import greedy_k_center

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


@settings(max_examples=150, deadline=None)
@given(POINTS, st.integers(1, 8), st.integers(1, 4), st.data())
def test_a_pool_smaller_than_the_bank(features, pool_rows, centres, data):
    n_select = data.draw(st.integers(1, len(features)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(k_center, "POOL_ROWS", pool_rows)
        patch.setattr(k_center, "CENTRES_PER_BLOCK", centres)
        rows = greedy_k_center(features, n_select, seed=0)
    assert rows.tolist() == obvious_k_center(features, n_select, rows[0])


@st.composite
def wide_points(draw):
    """Rows of as many channels as two leading directions need: scattered, in clusters, or mostly duplicates."""
    shape = st.tuples(st.integers(2, 16), st.just(16))
    rows = draw(npst.arrays(np.float32, shape, elements=st.integers(-3, 3)))
    spread = draw(st.sampled_from([0, 1, 20]))
    clusters = draw(npst.arrays(np.int64, len(rows), elements=st.integers(0, 3)))
    return rows[clusters % len(rows)] * spread + rows * draw(st.sampled_from([0, 1]))


@settings(max_examples=150, deadline=None)
@given(wide_points(), st.data())
def test_bounds_along_few_directions_change_nothing(features, data):
    n_select = data.draw(st.integers(1, len(features)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(k_center, "POOL_ROWS", data.draw(st.integers(1, 8)))
        patch.setattr(k_center, "FEWEST_CENTRES", data.draw(st.integers(1, 3)))
        patch.setattr(k_center, "SHARE_BOUNDED", data.draw(st.sampled_from([1 / 8, 1 / 2, 1])))
        patch.setattr(upper_bounds, "ROWS_PER_CHUNK", data.draw(st.integers(1, 3)))
        patch.setattr(upper_bounds, "CENTRES_PER_BLOCK", data.draw(st.integers(1, 3)))
        patch.setattr(upper_bounds, "LEAST_SHARE", data.draw(st.sampled_from([0, 3 / 4])))
        rows = greedy_k_center(features, n_select, seed=0)
    assert rows.tolist() == obvious_k_center(features, n_select, rows[0])


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


def clusters(n_rows, channels, seed=0):
    """Features as networks give them: clusters near a manifold, none below zero."""
    rng = np.random.default_rng(seed)
    centres, basis = rng.normal(0, 3, (20, 8)), rng.normal(0, 0.3, (8, channels))
    latent = centres[rng.integers(20, size=n_rows)] + rng.normal(size=(n_rows, 8))
    noise = rng.standard_normal((n_rows, channels), np.float32)
    return np.maximum(latent.astype(np.float32) @ basis.astype(np.float32) + noise / 3, 0)


@pytest.mark.parametrize("copies", [1, 8])
def test_equals_plain_greedy_over_many_pools(copies):
    features = np.tile(clusters(6000 // copies, 24), (copies, 1))
    rows = greedy_k_center(features, 600, seed=0)
    squared = np.full(len(features), np.inf)
    for row in rows:  # each is the farthest from those before it, but for rounding
        assert squared[row] >= squared.max() * (1 - 1e-4)
        np.minimum(squared, ((features - features[row]) ** 2).sum(axis=1), out=squared)
    assert len(set(rows.tolist())) == 600


def test_duplicates_by_the_thousand():
    features = np.repeat(np.arange(3, dtype=np.float32), 3000)[:, None]
    rows = greedy_k_center(features, 3500, seed=0)
    assert features[rows[:3], 0].tolist() in ([0, 2, 1], [1, 0, 2], [2, 0, 1])
    left = [row for row in range(9000) if row not in set(rows[:3].tolist())]
    assert rows[1:3].tolist() == [row for row in rows[1:3] if row % 3000 == 0]
    assert rows[3:].tolist() == left[:3497]  # the lowest first where all are covered


def test_memory_beyond_the_features():
    features = clusters(20_000, 384)
    tracemalloc.start()
    greedy_k_center(features, 400, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 0.3 * features.nbytes


def test_features_in_a_file(tmp_path):
    features = clusters(3000, 16)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    np.testing.assert_array_equal(greedy_k_center(mapped, 90, 5), greedy_k_center(features, 90, 5))


def bank_of(features):
    """A bank of one image a column high."""
    return collect_patches([("a", features[:, None])], n_images=1, extractor={})


def radius(features, rows):
    squared = [((features - features[row]) ** 2).sum(axis=1) for row in rows]
    return np.sqrt(np.min(squared, axis=0).max())


@pytest.mark.parametrize("pieces", [2, 5, 20])
@pytest.mark.parametrize("ratio", [0.0001, 0.01, 0.02])
@pytest.mark.parametrize(
    "features",
    [clusters(4000, 16), np.random.default_rng(0).random((4000, 3), np.float32)],
    ids=["clusters", "cube"],
)
def test_a_bank_larger_than_the_budget(features, ratio, pieces, caplog):
    bank, budget = bank_of(features), features.nbytes / GIB / pieces
    with caplog.at_level(logging.WARNING):
        coreset = select_coreset(
            bank, MemoryBankSettings(coreset_ratio=ratio, seed=0), memory_gib=budget
        )
    assert "pieces of the bank, which is not the selection of plain greedy" in caplog.text
    exact = select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio, seed=0))
    assert len(set(coreset.rows.tolist())) == len(coreset.rows) == len(exact.rows)
    assert coreset.bank_rows == len(features)
    assert radius(features, coreset.rows) <= 2 * radius(features, exact.rows)
    again = select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio, seed=0), memory_gib=budget)
    np.testing.assert_array_equal(coreset.rows, again.rows)


def test_pieces_of_which_every_row_is_taken():
    features = clusters(1000, 16)
    with pytest.raises(InputError, match=r"coreset_ratio = 0\.6 .* lower coreset_ratio or raise"):
        select_coreset(
            bank_of(features),
            MemoryBankSettings(coreset_ratio=0.6, seed=0),
            memory_gib=features.nbytes / GIB / 2,
        )


def test_the_whole_of_a_bank_larger_than_the_budget(caplog):
    bank = bank_of(clusters(100, 16))
    assert (
        len(select_coreset(bank, MemoryBankSettings(coreset_ratio=1, seed=0), memory_gib=1e-9).rows)
        == 100
    )
    assert not caplog.text


@pytest.mark.parametrize("n_select", [0, 4])
def test_as_many_rows_as_there_are(n_select):
    with pytest.raises(ValueError, match=rf"{n_select} coreset rows asked of 3: .* 1\.\.3"):
        greedy_k_center(np.zeros((3, 2), np.float32), n_select, seed=0)


@pytest.mark.parametrize(("ratio", "expected"), [(0.001, 1), (0.1, 2), (0.5, 12), (0.99, 23)])
def test_share_of_the_bank(ratio, expected):
    grid = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
    bank = collect_patches([("a", grid)], n_images=1, extractor={})
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio, seed=3))
    np.testing.assert_array_equal(coreset.rows, greedy_k_center(bank.features, expected, seed=3))
    np.testing.assert_array_equal(coreset.features(bank), bank.features[coreset.rows])


def test_the_whole_bank_is_not_copied():
    bank = collect_patches([("a", np.ones((4, 6, 3), np.float32))], n_images=1, extractor={})
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=1.0, seed=0))
    assert coreset.rows.tolist() == list(range(24))
    assert coreset.features(bank) is bank.features


def test_all_rows_in_another_order_keep_their_order():
    grid = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    bank = collect_patches([("a", grid)], n_images=1, extractor={})
    assert Coreset(np.array([2, 0, 1]), 3).features(bank).ravel().tolist() == [2, 0, 1]
