"""Scores of images that are left out, against detectors fitted by hand without them."""

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


def test_scores_have_the_unit_of_the_whole_bank_s_where_one_image_fewer_is_too_few():
    grids = draw(MIN_IMAGES)
    settings = MemoryBankSettings(coreset_ratio=0.25)
    scoring = SCORING.model_copy(update={"normalization": "position"})
    detector = MemoryBankDetector.fit(source(grids), settings, scoring)
    assert detector.good_scores is not None
    bank = collect_patches(grids, len(grids), {}, settings)
    scores = np.concatenate(
        [one.image_scores for _, one in score_left_out(bank, detector, MIN_IMAGES)]
    )
    plain = MemoryBankDetector.fit(source(grids), settings, SCORING)
    unscaled = np.concatenate(
        [one.image_scores for _, one in score_left_out(bank, plain, MIN_IMAGES)]
    )
    assert (
        scores.std() > 10 * unscaled.std()
    )  # in spreads of good patches, not in squared distances


def test_the_only_image_of_a_bank_cannot_be_left_out():
    assert left_out(draw(1)) == ([], [])
