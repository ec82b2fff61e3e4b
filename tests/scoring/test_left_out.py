"""Scores of images that are left out, against detectors fitted by hand without them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.good_scores import MIN_IMAGES
from reb_pipeline.scoring.left_out import GROUPS, score_left_out
from reb_pipeline.scoring.settings import ScoringSettings

SCORING = ScoringSettings(n_neighbors=3, max_neighbors=4)


def source(grids):
    return SimpleNamespace(image_ids=[name for name, _ in grids], patches=lambda: iter(grids))


def draw(n):
    rng = np.random.default_rng(0)
    return [(f"good/{index}", rng.random((4, 4, 3), np.float32)) for index in range(n)]


def left_out(grids, enough=99, distance="euclidean", share=0.25):
    settings = MemoryBankSettings(coreset_ratio=share, distance=distance)
    bank = collect_patches(grids, len(grids), {}, settings)
    detector = MemoryBankDetector.fit(source(grids), settings, SCORING)
    found = list(score_left_out(bank, detector, enough))
    ids = [image_id for nearest, _ in found for image_id in nearest.image_ids]
    return ids, [float(score) for _, scores in found for score in scores.image_scores]


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_each_image_is_scored_by_the_detector_of_the_others(distance, share):
    grids = draw(6)
    settings = MemoryBankSettings(coreset_ratio=share, distance=distance)
    ids, scores = left_out(grids, distance=distance, share=share)
    assert sorted(ids) == [name for name, _ in grids]
    for image_id, score in zip(ids, scores, strict=True):
        others = [one for one in grids if one[0] != image_id]
        own = [one for one in grids if one[0] == image_id]
        expected = MemoryBankDetector.fit(source(others), settings, SCORING).detect(source(own))
        assert score == pytest.approx(float(expected.image_scores[0]), rel=1e-4)


def test_many_images_are_left_out_in_groups_until_there_are_enough():
    ids, _ = left_out(draw(2 * GROUPS), enough=9)
    assert len(ids) == len(set(ids)) == 10  # groups of two


def test_images_left_out_are_no_part_of_the_scores_by_position(caplog):
    grids = draw(MIN_IMAGES)  # all but one are fewer than a bank of its own would need
    settings = MemoryBankSettings(coreset_ratio=0.25)
    scoring = SCORING.model_copy(update={"normalization": "position"})
    detector = MemoryBankDetector.fit(source(grids), settings, scoring)
    bank = collect_patches(grids, len(grids), {}, settings)
    found = list(score_left_out(bank, detector, MIN_IMAGES))
    assert len(found) == MIN_IMAGES
    for nearest, detection in found[:3]:
        others = [one for one in grids if one[0] not in nearest.image_ids]
        own = [one for one in grids if one[0] in nearest.image_ids]
        fitted = MemoryBankDetector.fit(source(others), settings, scoring, least_images=1)
        assert fitted.good_scores is not None
        expected = fitted.detect(source(own)).image_scores
        np.testing.assert_allclose(detection.image_scores, expected, rtol=1e-3)
    assert not caplog.records


def test_copies_of_a_file_are_left_out_together_and_count_once():
    grids = draw(8)
    twice = grids + [(f"copy of {name}", grid) for name, grid in grids]
    settings = MemoryBankSettings(coreset_ratio=1.0)
    bank = collect_patches(twice, len(twice), {}, settings)
    bank = replace(bank, image_hashes=[f"file {index % 8}" for index in range(16)])
    detector = MemoryBankDetector.fit(source(twice), settings, SCORING)
    found = list(score_left_out(bank, detector, 99))
    ids = [image_id for nearest, _ in found for image_id in nearest.image_ids]
    assert sorted(ids) == [name for name, _ in grids]
    lowest = min(float(nearest.squared_distances.min()) for nearest, _ in found)
    assert lowest > 0  # no patch finds its copy


def test_the_only_image_of_a_bank_cannot_be_left_out():
    assert left_out(draw(1)) == ([], [])
