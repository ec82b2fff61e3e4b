"""Detectors that are trained: reconstructions, and their fusion with a memory bank."""

import numpy as np
import pytest
from textured_source import SIDE, TexturedSource, draw_textures

from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.interface import held_out_tenth
from reb_pipeline.detectors.reconstruction import (
    FeatureReconstructionDetector,
    PixelReconstructionDetector,
)
from reb_pipeline.detectors.registry import DETECTORS, DetectorSettings
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.scoring.surprise import fuse_surprise, surprise
from tiny_finetuning import Memory

PLANTED = 2
GOOD = TexturedSource(draw_textures(24, seed=0))
TEST = TexturedSource(draw_textures(6, seed=1, defective=[PLANTED]))
FEATURES = FeatureReconstructionSettings(updates=60, batch_size=8, learning_rate=0.01)
PIXELS = PixelReconstructionSettings(updates=20, batch_size=4, learning_rate=0.003, image_size=SIDE)
SCORING = ScoringSettings(n_neighbors=3)
SETTINGS = DetectorSettings(
    scoring=SCORING, feature_reconstruction=FEATURES, pixel_reconstruction=PIXELS, device="cpu"
)
NAMES = ["feature_reconstruction", *PIXEL_MODELS, "hybrid"]
ENCODER = {"backbone": "projection", "layers": None}


@pytest.fixture(scope="module")
def fitted():
    """Every detector fitted once."""
    detectors = {name: DETECTORS[name](SETTINGS) for name in NAMES}
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
def test_images_are_scored_one_by_one(fitted, name):
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
    parts = fitted["hybrid"]._bank.nbytes + fitted["feature_reconstruction"].nbytes
    assert fitted["hybrid"].nbytes > parts


def test_a_seed_gives_the_same_detector(fitted):
    again = FeatureReconstructionDetector(FEATURES, device="cpu")
    again.fit(GOOD)
    found, before = again.detect(TEST), fitted["feature_reconstruction"].detect(TEST)
    np.testing.assert_array_equal(found.patch_scores, before.patch_scores)


def test_the_hybrid_fuses_detectors_that_it_calibrates(fitted):
    learned, held_out = held_out_tenth(GOOD)
    bank = MemoryBankDetector.fit(learned, scoring=SCORING)
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
        DETECTORS[name](SETTINGS).fit(GOOD.take(range(n_images)))


@pytest.mark.parametrize("name", ["feature_reconstruction", "autoencoder", "hybrid"])
def test_no_neighbours_to_compare(name):
    settings = DetectorSettings(
        scoring=ScoringSettings(scorer="nearest", image_score="reweighted"),
        feature_reconstruction=FEATURES.model_copy(update={"updates": 1}),
        pixel_reconstruction=PIXELS.model_copy(update={"updates": 1}),
        device="cpu",
    )

    def run():
        detector = DETECTORS[name](settings)
        detector.fit(GOOD)  # the hybrid scores images here already
        detector.detect(TEST)

    with pytest.raises(InputError, match="reweighted compares the neighbours"):
        run()


def test_a_trained_decoder_is_put_to_work_again(fitted):
    detector = FeatureReconstructionDetector(FEATURES, device="cpu")
    checkpoint = Memory()
    history = detector.fit_on(*held_out_tenth(GOOD), ENCODER, checkpoint)
    assert [update["update"] for update in history["updates"]] == list(range(1, 61))
    assert checkpoint.writes > 0
    assert {name: detector.weights.config[name] for name in ENCODER} == ENCODER
    again = FeatureReconstructionDetector.of(detector.weights, FEATURES, ENCODER, device="cpu")
    before = fitted["feature_reconstruction"].detect(TEST)
    for found in (again.detect(TEST), again.residuals(TEST, 16).score("product", SCORING)):
        np.testing.assert_allclose(found.patch_scores, before.patch_scores, rtol=1e-4)
    for encoder, settings, sentence in (
        ({**ENCODER, "layers": ["fine"]}, FEATURES, r"with layers = None, not \['fine'\]: run the"),
        (
            ENCODER,
            FEATURES.model_copy(update={"loss": "squared"}),
            "loss = 'cosine', not 'squared'",
        ),
    ):
        with pytest.raises(InputError, match=sentence):
            FeatureReconstructionDetector.of(detector.weights, settings, encoder)


def test_a_trained_network_tells_its_settings(fitted):
    trained = fitted["autoencoder"]
    again = PixelReconstructionDetector.of(trained.weights, device="cpu")
    assert (again.model, again.settings) == ("autoencoder", PIXELS)
    found, before = again.detect(TEST), trained.detect(TEST)
    np.testing.assert_array_equal(found.patch_scores, before.patch_scores)


def test_networks_are_validated_on_what_is_held_out():
    settings = PIXELS.model_copy(update={"updates": 2})
    detector = PixelReconstructionDetector("autoencoder", settings, device="cpu")
    history = detector.fit_on(*held_out_tenth(GOOD))
    assert [validation["update"] for validation in history["validations"]] == [2]
