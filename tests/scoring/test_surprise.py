"""Surprise: one unit for the scores of all detectors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest

from reb_pipeline.core.errors import InputError
from reb_pipeline.scoring.anomaly_maps import resize_map
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings
from reb_pipeline.scoring.surprise import fuse_detections, fuse_surprise, surprise

FLOATS = st.floats(-100, 100, width=16)
GOOD = arrays(np.float32, st.integers(1, 40), elements=FLOATS)
SCORES = arrays(np.float32, st.integers(1, 20), elements=FLOATS)


@given(SCORES, GOOD)
def test_it_grows_with_the_score(scores, good):
    found = surprise(np.sort(scores), good)
    assert found.dtype == np.float32
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()
    assert np.isfinite(found).all()


@given(GOOD)
def test_no_two_anomalous_scores_tie(good):
    spread = float(np.ptp(good)) or 1.0
    beyond = good.max() + spread * np.arange(1, 6, dtype=np.float32)
    found = surprise(beyond, good)
    assert (np.diff(found) > 0).all()
    assert found[0] > surprise(good, good).max()


@given(GOOD, st.sampled_from([0.5, 4.0]), st.integers(-8, 8))
def test_the_unit_does_not_matter(good, scale, shift):
    scores = np.linspace(-120, 120, 50)
    scaled = surprise(scale * scores + shift, scale * good.astype(np.float64) + shift)
    # Equal good scores have no unit: beyond them it stays that of the scores.
    if np.ptp(good) > 0:
        np.testing.assert_allclose(scaled, surprise(scores, good), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("draw", ["normal", "uniform", "exponential", "lognormal"])
def test_held_out_good_scores_are_exponential(draw):
    rng = np.random.default_rng(0)
    good, further = (getattr(rng, draw)(size=(20, 100)) for _ in range(2))
    assert kstest(surprise(good, good).ravel(), "expon").statistic < 0.02
    assert kstest(surprise(further, good).ravel(), "expon").statistic < 0.05
    assert surprise(good, good).mean() == pytest.approx(1, abs=0.02)


def test_by_hand():
    good = np.arange(1, 11, dtype=np.float32)  # the upper decile begins at 9.5, between 9 and 10
    found = surprise(np.array([5, 5.5, 9.5, 10, 11], np.float32), good)
    expected = [-math.log(0.55), -math.log(0.5), math.log(10), math.log(10) + 1, math.log(10) + 3]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_equal_good_scores():
    found = surprise(np.array([1.0, 2.0, 3.0, 4.0]), np.full(5, 2.0))
    np.testing.assert_allclose(found, math.log(2) + np.array([0, 0, 1, 2]), rtol=1e-6)


def test_no_good_scores():
    with pytest.raises(InputError, match=r"No held-out good image was scored.*: give at least two"):
        surprise(np.ones(3), np.empty((0, 4, 4)))


def test_fusion_is_the_mean_on_the_finest_grid():
    rng = np.random.default_rng(0)
    fine, coarse = rng.random((2, 6, 8), np.float32), rng.random((2, 3, 4), np.float32)
    found = fuse_surprise([coarse, fine])
    assert found.dtype == np.float32
    for image in range(2):
        expected = (fine[image] + resize_map(coarse[image], (6, 8))) / 2
        np.testing.assert_allclose(found[image], expected, rtol=1e-6)


def test_detections_are_fused_patch_by_patch():
    rng = np.random.default_rng(0)
    settings = ImageScoreSettings(image_score="max")
    scores = [rng.random((n, side, side), np.float32) for side in (4, 8) for n in (3, 5)]
    parts = [Detection.of_patches([f"{i}" for i in range(len(s))], s, settings) for s in scores]
    found = fuse_detections(parts[::2], parts[1::2], settings)
    expected = fuse_surprise([surprise(scores[0], scores[1]), surprise(scores[2], scores[3])])
    assert found.image_ids == ["0", "1", "2"]
    np.testing.assert_array_equal(found.patch_scores, expected)
    np.testing.assert_array_equal(found.image_scores, expected.max(axis=(1, 2)))
