"""Detectors that are trained: reconstructions, and their fusion with a memory bank."""

import numpy as np
import pytest
from textured_source import SIDE, TexturedSource, draw_textures

from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.interface import held_out_tenth
from reb_pipeline.detectors.memory_bank import MemoryBankDetector
from reb_pipeline.detectors.reconstruction import FeatureReconstructionDetector
from reb_pipeline.detectors.registry import DETECTORS
from reb_pipeline.scoring.surprise import fuse_surprise, surprise

PLANTED = 2
GOOD = TexturedSource(draw_textures(24, seed=0))
TEST = TexturedSource(draw_textures(6, seed=1, defective=[PLANTED]))
FEATURES = {"updates": 60, "batch_size": 8, "learning_rate": 0.01}
PIXELS = {"updates": 20, "batch_size": 4, "learning_rate": 0.003, "side": SIDE}
SETTINGS = {
    "feature_reconstruction": FEATURES,
    "autoencoder": PIXELS,
    "variational_autoencoder": PIXELS,
    "skip_autoencoder": PIXELS,
    "hybrid": {**FEATURES, "n_neighbors": 3},
}
NAMES = list(SETTINGS)


@pytest.fixture(scope="module")
def fitted():
    """Every detector fitted once."""
    detectors = {name: DETECTORS[name](device="cpu", **SETTINGS[name]) for name in NAMES}
    for detector in detectors.values():
        detector.fit(GOOD)
    return detectors


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_types(fitted, name):
    found = fitted[name].detect(TEST)
    assert found.image_ids == TEST.image_ids
    assert found.image_scores.shape == (6,)
    assert found.patch_scores.shape == (6, 16, 16)
    for scores in (found.image_scores, found.patch_scores):
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", NAMES)
def test_images_are_judged_one_by_one(fitted, name):
    whole, some = fitted[name].detect(TEST), fitted[name].detect(TEST.take([4, PLANTED]))
    np.testing.assert_allclose(some.image_scores, whole.image_scores[[4, PLANTED]], rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "skip_autoencoder"])
def test_a_planted_defect_is_found(fitted, name):
    found = fitted[name].detect(TEST)
    assert found.image_scores.argmax() == PLANTED
    defect = np.zeros((16, 16), bool)
    defect[8:12, 4:8] = True
    scores = found.patch_scores[PLANTED]
    assert scores[defect].mean() > 2 * scores[~defect].mean()


@pytest.mark.parametrize("name", NAMES)
def test_bytes_held(fitted, name):
    assert fitted[name].nbytes > 1000
    parts = fitted["hybrid"]._memory_bank.nbytes + fitted["feature_reconstruction"].nbytes
    assert fitted["hybrid"].nbytes > parts


def test_a_seed_gives_the_same_detector(fitted):
    again = FeatureReconstructionDetector(device="cpu", **FEATURES)
    again.fit(GOOD)
    found, before = again.detect(TEST), fitted["feature_reconstruction"].detect(TEST)
    np.testing.assert_array_equal(found.patch_scores, before.patch_scores)


def test_the_hybrid_fuses_detectors_that_it_calibrates(fitted):
    learned, held_out = held_out_tenth(GOOD)
    bank = MemoryBankDetector("ldknn", n_neighbors=3)
    bank.fit(learned)
    parts = [bank, fitted["feature_reconstruction"]]  # which learns from the same
    expected = fuse_surprise(
        [surprise(p.detect(TEST).patch_scores, p.detect(held_out).patch_scores) for p in parts]
    )
    found = fitted["hybrid"].detect(TEST).patch_scores
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_tenth_is_held_out():
    learned, held_out = held_out_tenth(GOOD)
    assert held_out.image_ids == [GOOD.image_ids[n] for n in (0, 10, 20)]
    assert sorted(learned.image_ids + held_out.image_ids) == sorted(GOOD.image_ids)
    few = GOOD.take([0, 1])
    assert held_out_tenth(few) == (few, None)


@pytest.mark.parametrize(
    ("name", "n_images", "sentence"),
    [
        ("hybrid", 2, "2 good images are too few for the detector hybrid"),
        ("feature_reconstruction", 1, "too few"),
        ("autoencoder", 1, "too few"),
    ],
)
def test_too_few_images(name, n_images, sentence):
    with pytest.raises(InputError, match=sentence):
        DETECTORS[name](device="cpu", **SETTINGS[name]).fit(GOOD.take(range(n_images)))


@pytest.mark.parametrize("name", ["feature_reconstruction", "autoencoder", "hybrid"])
def test_no_neighbours_to_compare(name):
    detector = DETECTORS[name](
        device="cpu", image_score="reweighted", **SETTINGS[name] | {"updates": 1}
    )
    detector.fit(GOOD)
    with pytest.raises(InputError, match="reweighted compares the neighbours"):
        detector.detect(TEST)
