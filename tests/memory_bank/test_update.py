"""A bank that was updated is the bank that would have been made; so is its density, and its coreset covers as well."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank import update
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.update import (
    change_between,
    update_bank,
    update_coreset,
    update_density,
)

H, W, CHANNELS = 3, 4, 5
ARRAYS = "features", "image", "y", "x", "mean", "whitening"


def draw(rng, n_images, levels=0):
    """Patch features of images by id; from few values where there are levels, so that many are equal."""
    shape = n_images, H, W, CHANNELS
    grids = rng.integers(0, levels, shape) if levels else rng.normal(size=shape)
    return [(f"image {index}", grid.astype(np.float32)) for index, grid in enumerate(grids)]


def make_bank(images, distance="euclidean"):
    return collect_patches(
        iter(images), len(images), {"backbone": "any"}, MemoryBankSettings(distance=distance)
    )


def change(images, n_before, forget, distance="euclidean"):
    """The bank of the first images, without some of these and with the others; and the bank made of these at once."""
    before = make_bank(images[:n_before], distance)
    added = images[n_before:]
    after = update_bank(before, forget, iter(added), len(added))
    stay = [image for image in images if image[0] not in forget]
    return before, after, make_bank(stay, distance)


def squared_distances(features):
    exact = features.astype(np.float64)
    return ((exact[:, None] - exact[None]) ** 2).sum(axis=2)


changes = {
    "seed": st.integers(0, 2**32 - 1),
    "n_before": st.integers(2, 7),
    "n_added": st.integers(0, 4),
    "levels": st.sampled_from([0, 2, 3, 8]),
    "data": st.data(),
}


def drawn(seed, n_before, n_added, levels, data):
    images = draw(np.random.default_rng(seed), n_before + n_added, levels)
    ids = [image_id for image_id, _ in images[:n_before]]
    return images, data.draw(st.sets(st.sampled_from(ids), max_size=n_before - 1))


@given(distance=st.sampled_from(["euclidean", "cosine"]), **changes)
def test_bank_is_that_of_a_rebuild(distance, seed, n_before, n_added, levels, data):
    images, forget = drawn(seed, n_before, n_added, levels, data)
    before, after, rebuilt = change(images, n_before, forget, distance)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(after, name), getattr(rebuilt, name))
    assert after.image_ids == rebuilt.image_ids
    assert (after.distance, after.extractor) == (distance, {"backbone": "any"})
    found = change_between(before, after)
    np.testing.assert_array_equal(before.features[found.kept], after.features[: len(found.kept)])
    assert sorted([*found.kept, *found.forgotten]) == list(range(len(before.features)))
    assert {before.image_ids[i] for i in before.image[found.forgotten]} == forget


@given(block=st.sampled_from([7, 8192]), ratio=st.floats(0.05, 0.9), **changes)
def test_coreset_keeps_its_radius_and_its_distances(
    block, ratio, seed, n_before, n_added, levels, data
):
    images, forget = drawn(seed, n_before, n_added, levels, data)
    before, after, _ = change(images, n_before, forget)
    coreset = select_coreset(before, MemoryBankSettings(coreset_ratio=ratio, seed=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "ROWS_PER_BLOCK", block)
        updated = update_coreset(
            before, coreset, after, MemoryBankSettings(coreset_ratio=ratio, seed=0)
        )
    assert updated.bank_rows == len(after.features)
    assert len(set(updated.rows)) == len(updated.rows)
    kept = change_between(before, after).kept
    stay = set(coreset.rows) & set(kept)
    if len(coreset.rows) < 2 or not stay:
        np.testing.assert_array_equal(
            updated.rows,
            select_coreset(after, MemoryBankSettings(coreset_ratio=ratio, seed=0)).rows,
        )
        return
    assert stay <= set(kept[updated.rows[updated.rows < len(kept)]])
    among = squared_distances(coreset.features(before))
    np.fill_diagonal(among, np.inf)
    limit = among.min()
    rounding = 1e-5 * squared_distances(after.features).max() + 1e-12
    to_coreset = squared_distances(after.features)[:, updated.rows]
    assert to_coreset.min(axis=1).max() <= limit + rounding
    among = squared_distances(updated.features(after))
    np.fill_diagonal(among, np.inf)
    assert among.min() >= limit - rounding


def test_twice_the_best_radius_at_most():
    """By brute force over all coresets of one row fewer."""
    from itertools import combinations

    images = draw(np.random.default_rng(1), 3)
    images = [(image_id, grid[:2, :2]) for image_id, grid in images]  # 12 patches
    before = make_bank(images[:2])
    after = update_bank(before, [], iter(images[2:]), 1)
    updated = update_coreset(
        before,
        select_coreset(before, MemoryBankSettings(coreset_ratio=0.4, seed=0)),
        after,
        MemoryBankSettings(coreset_ratio=0.4, seed=0),
    )
    distances = squared_distances(after.features)

    def radius(rows):
        return np.sqrt(distances[:, list(rows)].min(axis=1).max())

    best = min(map(radius, combinations(range(12), len(updated.rows) - 1)))
    assert radius(updated.rows) <= 2 * best


@given(share=st.sampled_from([0, 1]), ratio=st.floats(0.05, 1), k=st.integers(1, 6), **changes)
def test_density_is_that_of_a_new_search(share, ratio, k, seed, n_before, n_added, levels, data):
    """Limit of forgotten rows: too many to find the rows that lost a neighbour, or never too many."""
    images, forget = drawn(seed, n_before, n_added, levels, data)
    before, after, _ = change(images, n_before, forget)
    coreset = select_coreset(before, MemoryBankSettings(coreset_ratio=ratio, seed=0))
    density = measure_local_density(before, coreset, data.draw(st.integers(k, 11)))
    for present in (
        update_coreset(before, coreset, after, MemoryBankSettings(coreset_ratio=ratio, seed=0)),
        select_coreset(after, MemoryBankSettings(coreset_ratio=ratio, seed=1)),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(update, "LARGEST_SHARE", share)
            updated = update_density(before, coreset, density, after, present, k)
        anew = measure_local_density(after, present, k)
        np.testing.assert_array_equal(updated.squared_distances, anew.squared_distances)
        assert updated.coreset_fingerprint == anew.coreset_fingerprint


@pytest.mark.parametrize("forget", [[], ["image 7"], ["image 0", "image 31"]])
def test_most_neighbours_are_not_searched_again(monkeypatch, forget):
    images = draw(np.random.default_rng(0), 45)
    before, after, rebuilt = change(images, 40, forget)
    coreset = select_coreset(before, MemoryBankSettings(coreset_ratio=0.3, seed=0))
    density = measure_local_density(before, coreset, 4)
    present = update_coreset(before, coreset, after, MemoryBankSettings(coreset_ratio=0.3, seed=0))
    measured = []

    def measure(bank, some, *rest):
        measured.append(len(some.rows))
        return measure_local_density(bank, some, *rest)

    monkeypatch.setattr(update, "measure_local_density", measure)
    updated = update_density(before, coreset, density, after, present, 4)
    assert measured[0] < 0.5 * len(present.rows)
    anew = measure_local_density(rebuilt, present, 4)
    np.testing.assert_array_equal(updated.squared_distances, anew.squared_distances)


def test_a_coreset_that_is_the_whole_bank_remains_it():
    before, after, _ = change(draw(np.random.default_rng(0), 5), 4, {"image 1"})
    whole = Coreset(np.arange(len(before.features)), len(before.features))
    updated = update_coreset(before, whole, after, MemoryBankSettings(coreset_ratio=1.0, seed=0))
    np.testing.assert_array_equal(updated.rows, np.arange(len(after.features)))


def test_a_bank_beyond_memory_is_selected_anew():
    before, after, _ = change(draw(np.random.default_rng(0), 6), 5, {"image 1"})
    gib = 0.9 * after.features.nbytes / 2**30
    anew = select_coreset(after, MemoryBankSettings(coreset_ratio=0.2, seed=0), memory_gib=gib)
    updated = update_coreset(
        before,
        select_coreset(before, MemoryBankSettings(coreset_ratio=0.2, seed=0)),
        after,
        MemoryBankSettings(coreset_ratio=0.2, seed=0),
        memory_gib=gib,
    )
    np.testing.assert_array_equal(updated.rows, anew.rows)


def test_the_first_image_back_in_is_as_if_never_forgotten(monkeypatch):
    """Forget, then add again: the same rows in another order, the same densities."""
    monkeypatch.setattr(update, "LARGEST_SHARE", 1)
    images = draw(np.random.default_rng(2), 12)
    first = make_bank(images)
    coreset = select_coreset(first, MemoryBankSettings(coreset_ratio=0.2, seed=0))
    density = measure_local_density(first, coreset, 3)
    without = update_bank(first, ["image 0"])
    fewer = update_coreset(first, coreset, without, MemoryBankSettings(coreset_ratio=0.2, seed=0))
    thinner = update_density(first, coreset, density, without, fewer, 3)
    again = update_bank(without, [], iter(images[:1]), 1)
    rows = update_coreset(without, fewer, again, MemoryBankSettings(coreset_ratio=0.2, seed=0))
    last = update_density(without, fewer, thinner, again, rows, 3)
    assert again.image_ids == [f"image {i}" for i in [*range(1, 12), 0]]
    order = np.roll(np.arange(len(first.features)), -H * W)  # of the first bank's rows
    anew = measure_local_density(first, Coreset(order[rows.rows], len(order)), 3)
    np.testing.assert_array_equal(last.squared_distances, anew.squared_distances)


def test_what_cannot_be_updated():
    images = draw(np.random.default_rng(0), 8)
    bank = make_bank(images[:6])
    with pytest.raises(
        InputError, match=r"distance is mahalanobis, .* run the pipeline memory_bank"
    ):
        update_bank(make_bank(images, "mahalanobis"), ["image 0"])
    with pytest.raises(InputError, match=r"'image 11' is unknown: did you mean 'image 1'"):
        update_bank(bank, ["image 11"])
    with pytest.raises(InputError, match=r"'image 2' is in the memory bank .* forget it first"):
        update_bank(bank, ["image 2"], iter([images[2]]), 1)
    with pytest.raises(InputError, match="no good training image"):
        update_bank(bank, bank.image_ids)
    with pytest.raises(ValueError, match="differ in order"):
        change_between(bank, make_bank(images[5::-1]))


def test_records_of_other_banks_are_refused():
    images = draw(np.random.default_rng(0), 6)
    before, after, _ = change(images, 5, {"image 1"})
    coreset = select_coreset(before, MemoryBankSettings(coreset_ratio=0.2, seed=0))
    density = measure_local_density(before, coreset, 3)
    with pytest.raises(InputError, match="selected from 7 rows but the memory bank has 60"):
        update_coreset(
            before,
            Coreset(np.array([1, 2]), 7),
            after,
            MemoryBankSettings(coreset_ratio=0.2, seed=0),
        )
    other = LocalDensity(density.squared_distances, "another")
    with pytest.raises(InputError, match="of another coreset"):
        update_density(before, coreset, other, after, coreset, 3)
    with pytest.raises(InputError, match="max_neighbors = 60 but the memory bank has 60 rows"):
        update_density(
            before,
            coreset,
            density,
            after,
            update_coreset(before, coreset, after, MemoryBankSettings(coreset_ratio=0.2, seed=0)),
            60,
        )
