import numpy as np
import pytest

from reb_pipeline.search import flat
from reb_pipeline.search.flat import nearest_columns, nearest_of_all, squared_distances


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_pairs_are_sums_of_squared_differences(rng):
    queries, bank = (rng.normal(size=(n, 13)).astype(np.float32) for n in (5, 9))
    own, rows = rng.integers(0, 5, 40), rng.integers(0, 9, 40)
    expected = ((queries[own].astype(np.float64) - bank[rows]) ** 2).sum(axis=1)
    np.testing.assert_allclose(squared_distances(queries, bank, own, rows), expected, rtol=1e-5)
    assert squared_distances(queries, bank, own[:0], rows[:0]).shape == (0,)


def test_blocks_of_queries_change_nothing(monkeypatch, rng):
    queries, bank = (rng.normal(size=(n, 4)).astype(np.float32) for n in (23, 9))
    whole = nearest_of_all(queries, bank, 2)
    monkeypatch.setattr(flat, "QUERIES_PER_BLOCK", 5)
    for one, other in zip(nearest_of_all(queries, bank, 2), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("without", [slice(0, 0), slice(0, 4), slice(3, 12), slice(20, 30)])
def test_rows_are_left_out(rng, without):
    queries, bank = (rng.normal(size=(n, 4)).astype(np.float32) for n in (6, 30))
    k = 30 - (without.stop - without.start)
    squared, rows = nearest_of_all(queries, bank, k, without=without)
    kept = np.setdiff1d(np.arange(30), np.arange(30)[without])
    assert (np.sort(rows, axis=1) == kept).all()
    expected = ((queries[:, None] - bank[kept]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared, np.sort(expected, axis=1), rtol=1e-5)


def test_of_equal_columns_the_first_are_kept():
    first = np.array([[2, 1]], np.float32), np.array([[7, 5]])
    second = np.array([[1, 0]], np.float32), np.array([[3, 9]])
    squared, rows = nearest_columns([first, second], 3)
    assert squared.tolist() == [[0, 1, 1]]
    assert rows.tolist() == [[9, 5, 3]]
