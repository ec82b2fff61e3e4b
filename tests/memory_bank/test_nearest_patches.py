import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank import nearest_patches as search
from reb_pipeline.memory_bank.bank import Coreset, collect_patches, fingerprint
from reb_pipeline.memory_bank.nearest_patches import search_images, search_other_images
from reb_pipeline.search.index import nearest_neighbors


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


@pytest.mark.parametrize("k", [0, 4])
def test_k_must_fit_the_bank(k):
    bank = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=rf"k = {k} .* bank of 3 rows: k must be in 1\.\.3"):
        nearest_neighbors(bank, bank, k)


def bank_of(rows):
    return collect_patches([("a", rows[None])], n_images=1, extractor={})


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("patches_at_once", [1, 7, 4096])
def test_images_keep_their_grids(monkeypatch, k, patches_at_once):
    monkeypatch.setattr(search, "QUERIES_PER_BLOCK", patches_at_once)
    rng = np.random.default_rng(0)
    grids = {name: rng.normal(size=(2, 3, 4)).astype(np.float32) for name in "bac"}
    bank = rng.normal(size=(10, 4)).astype(np.float32)
    found = search_images(grids.items(), bank_of(bank), k)
    assert found.image_ids == ["b", "a", "c"]
    assert found.coreset_fingerprint == fingerprint(bank)
    assert found.max_neighbors == k
    assert (found.squared_distances.dtype, found.rows.dtype) == (np.float32, np.int32)
    for image, grid in enumerate(grids.values()):
        expected = all_distances(grid.reshape(6, 4), bank)
        order = expected.argsort(axis=1)[:, :k]
        np.testing.assert_array_equal(found.rows[image], order.reshape(2, 3, k))
        nearest = np.take_along_axis(expected, order, axis=1).reshape(2, 3, k)
        np.testing.assert_allclose(found.squared_distances[image], nearest, rtol=1e-5)
        peak = grid.reshape(6, 4)[expected.min(axis=1).argmax()]
        np.testing.assert_array_equal(found.peak_features[image], peak)
        np.testing.assert_allclose(
            found.mean_features[image], grid.mean(axis=(0, 1)), rtol=1e-5, atol=1e-6
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 3), st.data())
def test_own_images_are_left_out(seed, n_images, k, data):
    """Whatever rows the coreset has, in whatever order."""
    rng = np.random.default_rng(seed)
    grids = [(str(i), rng.normal(size=(2, 3, 4)).astype(np.float32)) for i in range(n_images)]
    bank = collect_patches(grids, n_images, extractor={})
    order = data.draw(st.sampled_from([np.sort, lambda rows: rows]))
    rows = order(rng.permutation(6 * n_images)[: data.draw(st.integers(1, 6 * n_images))])
    coreset, own = Coreset(rows, 6 * n_images), bank.image[rows]
    images = data.draw(st.sampled_from([None, [n_images - 1, 0]]))
    chosen = list(range(n_images) if images is None else images)
    fewest = min((own != image).sum() for image in chosen)
    if fewest < k:
        with pytest.raises(InputError, match=r"the coreset has \d+ rows to compare with: lower"):
            search_other_images(bank, coreset, k, images)
        return
    found = search_other_images(bank, coreset, k, images)
    assert found.image_ids == [str(image) for image in chosen]
    assert found.coreset_fingerprint == fingerprint(coreset.features(bank))
    for position, image in enumerate(chosen):
        expected = all_distances(grids[image][1].reshape(6, 4), coreset.features(bank))
        expected[:, own == image] = np.inf
        nearest = expected.argsort(axis=1)[:, :k]
        np.testing.assert_array_equal(found.rows[position], nearest.reshape(2, 3, k))
        squared = np.take_along_axis(expected, nearest, axis=1)
        np.testing.assert_allclose(
            found.squared_distances[position], squared.reshape(2, 3, k), rtol=1e-5
        )
        peak = grids[image][1].reshape(6, 4)[squared[:, 0].argmax()]
        np.testing.assert_array_equal(found.peak_features[position], peak)
        mean = grids[image][1].mean(axis=(0, 1))
        np.testing.assert_allclose(found.mean_features[position], mean, rtol=1e-5, atol=1e-6)


def test_more_neighbours_than_coreset_rows():
    patches = [("a", np.zeros((1, 1, 2), np.float32))]
    with pytest.raises(InputError, match=r"4 neighbours .* the coreset has 3 rows .*: lower"):
        search_images(patches, bank_of(np.zeros((3, 2), np.float32)), 4)


def test_no_images_say_so():
    with pytest.raises(InputError, match=r"no test image .* check the test split"):
        search_images([], bank_of(np.zeros((3, 2), np.float32)))
