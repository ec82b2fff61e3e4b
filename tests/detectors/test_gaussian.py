from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from fake_source import random_source
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.gaussian import GdeDetector, PadimDetector
from reb_pipeline.scoring import gaussians


def test_gde_is_the_mahalanobis_distance_of_unit_vectors():
    good, test = random_source(12, seed=0), random_source(4, seed=1)
    detector = GdeDetector()
    detector.fit(good)
    found = detector.detect(test)
    rows = [row / np.linalg.norm(row) for row in good.pooled().astype(float)]
    covariance, _ = ledoit_wolf(np.stack(rows))
    expected = [
        mahalanobis(row / np.linalg.norm(row), np.mean(rows, axis=0), np.linalg.inv(covariance))
        for row in test.pooled().astype(float)
    ]
    np.testing.assert_allclose(found.image_scores, expected, rtol=1e-4)
    assert found.image_ids == test.image_ids
    assert found.patch_scores is None
    assert found.image_scores.dtype == np.float32


def test_gde_does_not_see_the_length_of_a_feature():
    good, test = random_source(12), random_source(4, seed=1)
    detector = GdeDetector()
    detector.fit(good)
    before = detector.detect(test).image_scores
    test.pooled()[:] *= 7
    np.testing.assert_allclose(detector.detect(test).image_scores, before, rtol=1e-5)


def test_gde_needs_a_covariance():
    with pytest.raises(InputError, match=r"good images, 1, is too small.*at least 2"):
        GdeDetector().fit(random_source(1))


@pytest.mark.parametrize("n_images", [1, 2, 9])
@pytest.mark.parametrize("channels", [3, 100])
def test_padim_is_a_gaussian_a_position(n_images, channels, monkeypatch):
    monkeypatch.setattr(gaussians, "IMAGES_PER_BATCH", 4)
    monkeypatch.setattr(gaussians, "POSITIONS_PER_BLOCK", 5)
    good, test = random_source(n_images, seed=0), random_source(3, seed=1)
    detector = PadimDetector(channels=channels, seed=5)
    detector.fit(good)
    found = detector.detect(test)
    chosen = np.random.default_rng(5).permutation(8)[:channels]
    for image, y, x in np.ndindex(3, 4, 6):
        rows = good.fused()[:, y, x][:, chosen].astype(float)
        mean = rows.mean(axis=0)
        products = sum(np.outer(row - mean, row - mean) for row in rows)
        covariance = products / max(1, n_images - 1) + 0.01 * np.eye(len(chosen))
        expected = mahalanobis(test.fused()[image, y, x, chosen], mean, np.linalg.inv(covariance))
        assert found.patch_scores[image, y, x] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_array_equal(found.image_scores, found.patch_scores.max(axis=(1, 2)))
    assert found.patch_scores.dtype == np.float32


def test_padim_s_seed_draws_the_channels():
    good, test = random_source(9), random_source(3, seed=1)

    def scores(seed):
        detector = PadimDetector(channels=2, seed=seed)
        detector.fit(good)
        return detector.detect(test).patch_scores

    np.testing.assert_array_equal(scores(1), scores(1))
    assert not np.allclose(scores(1), scores(2))


def test_padim_keeps_its_digits_far_from_zero():
    """Spread one thousandth of the mean: sums of squares alone would not hold it in single precision."""
    good, test = random_source(40), random_source(3, seed=1)

    def scores(offset):
        detector = PadimDetector()
        detector.fit(good.shifted(offset))
        return detector.detect(test.shifted(offset)).patch_scores

    np.testing.assert_allclose(scores(1000), scores(0), rtol=2e-3)


@pytest.mark.parametrize("detector", [GdeDetector(), PadimDetector(channels=3)])
def test_left_out_images_are_scored_by_detectors_of_the_others(detector):
    good = random_source(8)
    found = list(detector.score_left_out(good, 99))
    assert sorted(image_id for one in found for image_id in one.image_ids) == sorted(good.image_ids)
    for one in found:
        (left_out,) = one.image_ids
        number = good.image_ids.index(left_out)
        other = replace(detector)
        other.fit(good.take([n for n in range(8) if n != number]))
        expected = other.detect(good.take([number]))
        np.testing.assert_allclose(one.image_scores, expected.image_scores, rtol=1e-5)
        np.testing.assert_allclose(one.mean_features, expected.mean_features, rtol=1e-6)
