"""Contract of every detector that is fitted in one go; for trained ones see test_reconstruction_detectors."""

import numpy as np
import pytest

from fake_source import FakeSource, random_source
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.registry import DETECTORS, DetectorSettings
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from reb_pipeline.scoring.settings import DETECTOR_NAMES, ScoringSettings

GOOD, TEST = random_source(12, seed=0), random_source(8, seed=1)
PLANTED = 5  # the anomalous test image; its defect covers the fine positions (2..3, 4..5)
TRAINED = ("feature_reconstruction", *PIXEL_MODELS, "hybrid")
FITTED = [name for name in DETECTORS if name not in TRAINED]
PATCH_BASED = [name for name in FITTED if name not in ("gde", "spade")]


def make(name, **scoring):
    return DETECTORS[name](DetectorSettings(scoring=ScoringSettings(**scoring)))


def with_defect(source):
    grids = {layer: grid.copy() for layer, grid in source.grids.items()}
    grids["fine"][PLANTED, 2:4, 4:6] += 6
    grids["coarse"][PLANTED, 1, 2] += 6
    pooled = source.pooled().copy()
    pooled[PLANTED] = [9, -9, 9, -9, 9, -9]
    return FakeSource(grids, pooled)


def test_the_setting_names_every_detector():
    assert set(DETECTOR_NAMES) == set(DETECTORS)


@pytest.fixture(params=FITTED)
def detector(request):
    detector = make(request.param)
    detector.fit(GOOD)
    return detector


def check_equal(one, other):
    np.testing.assert_allclose(one.image_scores, other.image_scores, rtol=1e-5, atol=1e-6)
    if one.patch_scores is None:
        assert other.patch_scores is None
    else:
        np.testing.assert_allclose(one.patch_scores, other.patch_scores, rtol=1e-5, atol=1e-6)


def test_shapes_and_types(detector):
    found = detector.detect(TEST)
    assert found.image_ids == TEST.image_ids
    assert found.image_scores.shape == (8,)
    assert found.image_scores.dtype == np.float32
    assert np.isfinite(found.image_scores).all()
    if found.patch_scores is not None:
        assert found.patch_scores.shape == (8, 4, 6)
        assert found.patch_scores.dtype == np.float32
        assert np.isfinite(found.patch_scores).all()


def test_more_good_images_never_take_less_memory(detector):
    before = detector.nbytes
    assert before > 0
    detector.fit(random_source(24, seed=0))
    assert detector.nbytes >= before


def test_images_are_scored_one_by_one(detector):
    order = [3, 1, 7, 0]
    whole, some = detector.detect(TEST), detector.detect(TEST.take(order))
    patches = None if whole.patch_scores is None else whole.patch_scores[order]
    check_equal(some, type(whole)(some.image_ids, whole.image_scores[order], patches))


def test_detection_changes_nothing_learned(detector):
    before = detector.detect(TEST)
    detector.detect(with_defect(TEST))
    check_equal(detector.detect(TEST), before)


def test_order_of_good_images_does_not_matter(detector):
    before = detector.detect(TEST)
    detector.fit(GOOD.take(np.random.default_rng(0).permutation(12)))
    check_equal(detector.detect(TEST), before)


def test_planted_defect_is_found(detector):
    found = detector.detect(with_defect(TEST))
    assert found.image_scores.argmax() == PLANTED
    if found.patch_scores is not None:
        defect = np.zeros((4, 6), bool)
        defect[2:4, 4:6] = True
        scores = found.patch_scores[PLANTED]
        assert scores[defect].min() > scores[~defect].max()


@pytest.mark.parametrize("name", PATCH_BASED)
def test_image_score_is_the_one_named(name):
    detector = make(name, image_score="average")
    detector.fit(GOOD)
    found = detector.detect(TEST)
    np.testing.assert_allclose(found.image_scores, found.patch_scores.mean(axis=(1, 2)), rtol=1e-5)


def test_reweighted_needs_neighbours():
    detector = make("padim", scorer="nearest", image_score="reweighted")
    detector.fit(GOOD)
    with pytest.raises(
        InputError, match=r"reweighted compares the neighbours .*to one of block_max"
    ):
        detector.detect(TEST)


@pytest.mark.parametrize("name", FITTED)
def test_no_images_to_learn_from(name):
    with pytest.raises(InputError):
        make(name).fit(random_source(0))
