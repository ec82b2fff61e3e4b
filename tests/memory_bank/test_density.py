import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, collect_patches
from reb_pipeline.memory_bank.density import measure_local_density


def make_bank(features):
    features = np.asarray(features, np.float32)
    grid = features.reshape(1, len(features), -1)
    return collect_patches([("only", grid)], n_images=1, extractor={})


def whole(bank: MemoryBank) -> Coreset:
    return Coreset(np.arange(len(bank.features)), len(bank.features))


def brute_force(features, rows, k):
    """Squared distances to the k nearest of all rows but the row itself."""
    features = np.asarray(features, np.float64)
    distances = [((features - features[row]) ** 2).sum(axis=1) for row in rows]
    others = [np.delete(d, row) for d, row in zip(distances, rows, strict=True)]
    return np.sort(others, axis=1)[:, :k]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.data())
def test_equals_brute_force_whatever_the_duplicates(seed, n_rows, data):
    """Few distinct points, so that a row often has many exact copies: they count, it does not."""
    rng = np.random.default_rng(seed)
    features = rng.integers(0, data.draw(st.integers(1, 6)), (n_rows, 2)).astype(np.float32)
    rows = rng.permutation(n_rows)[: data.draw(st.integers(1, n_rows))]
    k = data.draw(st.integers(1, n_rows - 1))
    density = measure_local_density(make_bank(features), Coreset(rows, n_rows), k)
    np.testing.assert_array_equal(density.squared_distances, brute_force(features, rows, k))


def test_exact_copies_are_neighbours_at_distance_zero():
    density = measure_local_density(make_bank([[0], [0], [0], [3]]), Coreset(np.array([1]), 4), 3)
    assert density.squared_distances.tolist() == [[0, 0, 9]]


def test_self_is_excluded_at_the_scale_of_real_features():
    """Self distances from |q|² + |b|² − 2qb are rarely exactly zero; the row number still is its own."""
    features = np.random.default_rng(0).normal(0, 30, (2000, 256)).astype(np.float32)
    bank = make_bank(features)
    density = measure_local_density(bank, whole(bank), 3)
    assert density.squared_distances.min() > 1
    rows = np.arange(0, 2000, 100)
    expected = brute_force(features, rows, 3)
    np.testing.assert_allclose(density.squared_distances[rows], expected, rtol=1e-5)


def test_coreset_rows_are_measured_against_the_full_bank():
    bank = make_bank([[0.0], [1.0], [10.0], [12.0]])
    density = measure_local_density(bank, Coreset(np.array([2, 0]), 4), 1)
    assert density.squared_distances.tolist() == [[4], [1]]


def test_every_k_below_k_max_is_a_slice():
    bank = make_bank(np.random.default_rng(0).normal(size=(60, 7)))
    largest = measure_local_density(bank, whole(bank), 12)
    assert largest.max_neighbors == 12
    for k in range(1, 13):
        fresh = measure_local_density(bank, whole(bank), k)
        for squared in (True, False):
            np.testing.assert_array_equal(
                largest.mean_distance(k, squared=squared), fresh.mean_distance(k, squared=squared)
            )


def test_mean_of_squared_and_of_plain_distances():
    bank = make_bank([[0.0], [1.0], [3.0]])
    density = measure_local_density(bank, Coreset(np.array([0]), 3), 2)
    assert density.mean_distance(2, squared=True).tolist() == [(1 + 9) / 2]
    assert density.mean_distance(2, squared=False).tolist() == [(1 + 3) / 2]
    assert density.mean_distance(1, squared=True).tolist() == [1]


def test_k_beyond_what_was_searched():
    bank = make_bank([[0.0], [1.0], [3.0]])
    density = measure_local_density(bank, whole(bank), 1)
    with pytest.raises(
        InputError, match=r"n_neighbors = 2 .* up to 1: raise scoring.max_neighbors"
    ):
        density.mean_distance(2, squared=True)


@pytest.mark.parametrize("k", [3, 4])
def test_k_max_must_be_below_the_number_of_rows(k):
    bank = make_bank([[0.0], [1.0], [3.0]])
    with pytest.raises(
        InputError, match=rf"max_neighbors = {k} but the memory bank has 3 rows: set"
    ):
        measure_local_density(bank, whole(bank), k)


def test_coreset_of_another_bank():
    bank = make_bank([[0.0], [1.0], [3.0]])
    with pytest.raises(InputError, match="selected from 5 rows but the memory bank has 3: run"):
        measure_local_density(bank, Coreset(np.array([0]), 5), 1)
