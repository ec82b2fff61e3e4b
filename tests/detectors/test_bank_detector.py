import numpy as np
import pytest
from fake_source import random_source
from scipy.spatial.distance import cdist

from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.memory_bank import MemoryBankDetector
from reb_pipeline.scoring.patch_scores import patch_scores

GOOD, TEST = random_source(6, seed=0), random_source(3, seed=1)
BANK = GOOD.fused().reshape(-1, 8).astype(np.float64)
QUERIES = TEST.fused().reshape(-1, 8).astype(np.float64)


def fitted(*args, **settings):
    detector = MemoryBankDetector(*args, **settings)
    detector.fit(GOOD)
    return detector


def test_ldknn_by_hand():
    found = fitted("ldknn", n_neighbors=4, alpha=0.5, image_score="max").detect(TEST)
    to_bank = cdist(QUERIES, BANK, "sqeuclidean")
    local = np.sort(cdist(BANK, BANK, "sqeuclidean"), axis=1)[:, 1:5].mean(axis=1)
    expected = to_bank.min(axis=1) - 0.5 * local[to_bank.argmin(axis=1)]
    np.testing.assert_allclose(found.patch_scores, expected.reshape(3, 4, 6), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.image_scores, found.patch_scores.max(axis=(1, 2)))
    assert found.image_ids == TEST.image_ids


@pytest.mark.parametrize(
    ("distance", "metric"), [("euclidean", "sqeuclidean"), ("cosine", "cosine")]
)
def test_test_features_come_to_the_bank_s_space(distance, metric):
    found = fitted("knn", distance=distance, n_neighbors=3).detect(TEST)
    factor = 2 if distance == "cosine" else 1  # |a − b|² of unit vectors is 2 (1 − cos)
    expected = factor * np.sort(cdist(QUERIES, BANK, metric), axis=1)[:, :3].mean(axis=1)
    np.testing.assert_allclose(found.patch_scores, expected.reshape(3, 4, 6), rtol=1e-4)


def test_one_search_serves_every_k_and_scorer():
    found = fitted("knn", max_neighbors=7).search(TEST)
    for scorer in ("nearest", "knn", "ldknn", "lof"):
        for k in (2, 7):
            expected = fitted(scorer, n_neighbors=k).detect(TEST).patch_scores
            scores = patch_scores(found, scorer, n_neighbors=k, alpha=1, form="subtract_squared")
            np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_coreset_has_its_share_of_rows():
    found = fitted("nearest", coreset_ratio=0.25, seed=3).search(TEST)
    assert len(found.features) == len(BANK) // 4
    whole = fitted("nearest").detect(TEST).patch_scores
    assert (found.nearest.squared_distances[..., 0] >= whole * (1 - 1e-5)).all()


def test_reweighted_reads_more_than_patch_scores():
    found = fitted("nearest", image_score="reweighted").detect(TEST)
    largest = np.sqrt(found.patch_scores.max(axis=(1, 2)))
    assert (found.image_scores > 0).all()
    assert (found.image_scores < largest).all()


@pytest.mark.parametrize("name", ["scorer", "distance"])
def test_unknown_names_are_told_at_once(name):
    with pytest.raises(InputError, match=f"{name.capitalize()} 'nearst' is unknown"):
        MemoryBankDetector(**{"scorer": "nearest", name: "nearst"})
