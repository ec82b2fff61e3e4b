import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.errors import InputError
from reb_pipeline.neighbors import search
from reb_pipeline.neighbors.search import nearest_neighbors, search_images


def all_distances(queries, bank):
    """Squared distances in double precision, one query after the other."""
    bank = bank.astype(np.float64)
    return np.stack([((query.astype(np.float64) - bank) ** 2).sum(axis=1) for query in queries])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.data())
def test_equals_brute_force(seed, n_queries, n_rows, data):
    rng = np.random.default_rng(seed)
    queries, bank = (rng.normal(size=(n, 5)).astype(np.float32) for n in (n_queries, n_rows))
    k = data.draw(st.integers(1, n_rows))
    squared, rows = nearest_neighbors(queries, bank, k)
    expected = all_distances(queries, bank)
    nearest = np.sort(expected, axis=1)[:, :k]
    np.testing.assert_allclose(squared, nearest, rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, rows, axis=1), nearest, rtol=1e-5)
    assert all(len(set(row)) == k for row in rows.tolist())


@pytest.mark.parametrize("k", [1, 3, 6])
def test_near_duplicates_keep_their_digits(k):
    """|x|² is ten million times the distances, so |q|² + |b|² − 2qb holds none of their digits."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (250, 512))

    def scatter(copies):
        near = np.repeat(centres, copies, axis=0)
        return (near + rng.normal(0, 2e-4, near.shape)).astype(np.float32)

    bank, queries = scatter(6), scatter(8)
    squared, rows = nearest_neighbors(queries, bank, k)
    expected = all_distances(queries, bank)
    nearest = np.sort(expected, axis=1)[:, :k]
    assert (queries**2).sum(axis=1).mean() > 1e7 * nearest.mean()
    np.testing.assert_allclose(squared, nearest, rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, rows, axis=1), nearest, rtol=1e-5)


def test_blocks_of_queries_change_nothing(monkeypatch):
    queries, bank = (
        np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32) for n in (23, 9)
    )
    whole = nearest_neighbors(queries, bank, 2)
    monkeypatch.setattr(search, "QUERIES_PER_BLOCK", 5)
    for one, other in zip(nearest_neighbors(queries, bank, 2), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("k", [0, 4])
def test_k_must_fit_the_bank(k):
    bank = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=rf"k = {k} .* bank of 3 rows: k must be in 1\.\.3"):
        nearest_neighbors(bank, bank, k)


def test_images_keep_their_grids():
    rng = np.random.default_rng(0)
    grids = {name: rng.normal(size=(2, 3, 4)).astype(np.float32) for name in "ba"}
    bank = rng.normal(size=(10, 4)).astype(np.float32)
    found = search_images(grids.items(), bank)
    assert found.image_ids == ["b", "a"]
    expected = all_distances(grids["a"].reshape(6, 4), bank)
    np.testing.assert_allclose(found.squared_distance[1], expected.min(1).reshape(2, 3), rtol=1e-5)
    np.testing.assert_array_equal(found.rows[1], expected.argmin(1).reshape(2, 3))


def test_no_images_say_so():
    with pytest.raises(InputError, match=r"no test image .* check the test split"):
        search_images([], np.zeros((3, 2), np.float32))
