"""Banks whose images have copies: a copy belongs to its image wherever images are told apart."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.region import Region
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.filling import copies_of, fill_bank
from reb_pipeline.memory_bank.held_out import search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.suspects import rank_suspects
from reb_pipeline.memory_bank.update import change_between, update_bank
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.left_out import score_left_out
from reb_pipeline.scoring.settings import ScoringSettings

H, W, CHANNELS = 4, 4, 3
REGION = {"region": Region.of_polygons([[(0, 0), (1, 0), (1, 0.75), (0, 0.75)]]).as_json(H)}
SETTINGS = MemoryBankSettings(coreset_ratio=0.3, light_copies=1, turned_copies=2)
COPIES = SETTINGS.copies


class Source:
    """Random grids of images, and of their copies: near them, but not equal."""

    def __init__(self, ids, provenance=None, copy=0):
        self.image_ids, self.provenance, self.copy = ids, provenance or {}, copy

    def patches(self):
        for image_id in self.image_ids:
            own = np.random.default_rng(int(image_id)).random((H, W, CHANNELS), np.float32)
            other = np.random.default_rng([int(image_id), self.copy]).random((H, W, CHANNELS))
            yield image_id, own + np.float32(0.1 * bool(self.copy)) * other.astype(np.float32)

    def copied(self, copy):
        return Source(self.image_ids, self.provenance, COPIES.index(copy) + 1)


def numbers(n, start=0):
    return [str(number) for number in range(start, start + n)]


@pytest.mark.parametrize("provenance", [{}, REGION])
def test_rows_of_copies_follow_those_of_their_image(provenance):
    good = Source(numbers(3), provenance)
    bank = fill_bank(good, SETTINGS)
    streams = [dict(one.patches()) for one in (good, *(good.copied(copy) for copy in COPIES))]
    for row in range(len(bank.features)):
        grid = streams[int(bank.copy_of(np.array(row)))][bank.image_ids[bank.image[row]]]
        np.testing.assert_array_equal(bank.features[row], grid[bank.y[row], bank.x[row]])
    assert bank.copy_of(np.arange(len(bank.features))).max() == len(COPIES)
    coreset = select_coreset(bank, SETTINGS)
    np.testing.assert_array_equal(bank.rows_of(coreset.of(bank)), coreset.rows)
    for image, image_id in enumerate(bank.image_ids):
        inside = streams[0][image_id][: 3 if provenance else H]
        np.testing.assert_array_equal(bank.grids[image].ravel(), inside.ravel())
        np.testing.assert_array_equal(bank.whole_grid(image, 1)[:3], streams[1][image_id][:3])


def test_rows_are_found_where_there_are_no_copies():
    plain = fill_bank(Source(numbers(3), REGION), MemoryBankSettings())
    coreset = select_coreset(plain, SETTINGS)
    np.testing.assert_array_equal(plain.rows_of(coreset.of(plain)), coreset.rows)


@given(st.integers(1, 4), st.integers(0, 3), st.booleans(), st.data())
def test_an_updated_bank_is_that_of_all_images_at_once(n_before, n_added, in_region, data):
    provenance = REGION if in_region else {}
    before = fill_bank(Source(numbers(n_before), provenance), SETTINGS)
    most = n_before if n_added else n_before - 1
    forget = data.draw(st.sets(st.sampled_from(before.image_ids), max_size=most))
    added = Source(numbers(n_added, n_before), provenance)
    copies = copies_of(added, COPIES) if n_added else {}
    after = update_bank(before, forget, added.patches(), n_added, copies=copies)
    stay = [name for name in before.image_ids if name not in forget]
    anew = fill_bank(Source(stay + added.image_ids, provenance), SETTINGS)
    for name in ("features", "image", "y", "x", "image_ids", "copies"):
        np.testing.assert_array_equal(getattr(after, name), getattr(anew, name))
    kept = change_between(before, after).kept
    np.testing.assert_array_equal(after.features[: len(kept)], before.features[kept])


def test_an_image_is_compared_with_no_copy_of_itself():
    bank = fill_bank(Source(numbers(4)), SETTINGS)
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=1.0))
    found = search_own_images(bank, coreset, set(bank.image_ids))
    for image in range(4):
        others = bank.features[bank.image != image]
        own = bank.grids[image].reshape(-1, 1, CHANNELS)
        nearest = ((own - others[None]) ** 2).sum(axis=2).min(axis=1)
        np.testing.assert_allclose(found.squared_distances[image].ravel(), nearest, rtol=1e-4)


def test_an_image_is_left_out_with_its_copies():
    good, scoring = Source(numbers(5)), ScoringSettings(n_neighbors=3, max_neighbors=4)
    detector = MemoryBankDetector.fit(good, SETTINGS, scoring)
    for found, scores in score_left_out(fill_bank(good, SETTINGS), detector, 5):
        others = Source([name for name in good.image_ids if name not in found.image_ids])
        fitted = MemoryBankDetector.fit(others, SETTINGS, scoring)
        expected = fitted.detect(Source(found.image_ids)).image_scores
        np.testing.assert_allclose(scores.image_scores, expected, rtol=1e-4)


def test_suspects_are_ranked_by_images_as_they_are():
    bank = fill_bank(Source(numbers(12)), SETTINGS)
    copied = np.flatnonzero(bank.copy_of(np.arange(len(bank.features))))
    odd = bank.features.copy()
    odd[copied[bank.image[copied] == 3]] += 9  # only the copies of this image
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=1.0))
    ranked = [rank_suspects(one, coreset) for one in (bank, replace(bank, features=odd))]
    before, after = (table.set_index("image")["score"] for table in ranked)
    assert after["3"] == before["3"]


def test_a_bank_with_copies_is_not_the_origin_of_a_detector_without():
    plain, copied = (fill_bank(Source(numbers(3)), one) for one in (MemoryBankSettings(), SETTINGS))
    with pytest.raises(InputError, match="another memory bank"):
        plain.check_origin(copied)
    assert collect_patches(Source(["0"]).patches(), 1, {}).copies == []
