import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank import bank as bank_module
from reb_pipeline.memory_bank import distances
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.distances import fit_space
from reb_pipeline.memory_bank.nearest_patches import search_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(8, 8)) * np.geomspace(0.1, 10, 8)  # correlated channels of unlike scales
TRAIN, TEST = ((RNG.normal(size=(n, 8)) @ MIX + 5).astype(np.float32) for n in (300, 40))


def scipys(distance, queries, rows):
    if distance == "mahalanobis":
        inverse = np.linalg.inv(LedoitWolf().fit(rows.astype(np.float64)).covariance_)
        return cdist(queries, rows, "mahalanobis", VI=inverse) ** 2
    if distance == "cosine":
        return 2 * cdist(queries, rows, "cosine")
    return cdist(queries, rows, "sqeuclidean")


@pytest.mark.parametrize("distance", distances.DISTANCES)
def test_search_is_scipy_s_distance(distance, monkeypatch):
    monkeypatch.setattr(bank_module, "ROWS_PER_BLOCK", 70)
    bank = collect_patches(
        [("a", TRAIN.reshape(15, 20, 8))], 1, {}, MemoryBankSettings(distance=distance)
    )
    assert bank.features.dtype == np.float32
    found = search_images([("b", TEST.reshape(5, 8, 8))], bank, 3)
    expected = np.sort(scipys(distance, TEST, TRAIN), axis=1)[:, :3]
    np.testing.assert_allclose(
        found.squared_distances.reshape(40, 3), expected, rtol=1e-3, atol=1e-6
    )


def test_euclidean_changes_nothing():
    space = fit_space(TRAIN, "euclidean")
    assert space.apply(TEST) is TEST
    assert space.mean.size == space.whitening.size == 0


def test_a_feature_of_zeros_has_no_direction():
    zeros = np.zeros((2, 3), np.float32)
    assert fit_space(zeros, "cosine").apply(zeros).tolist() == zeros.tolist()


def test_many_rows_are_fitted_on_some_of_all(monkeypatch):
    monkeypatch.setattr(distances, "ROWS_TO_FIT", 4)
    features = np.arange(10, dtype=np.float32)[:, None]
    assert fit_space(features, "mahalanobis").mean.tolist() == [np.mean([0, 3, 6, 9])]


def test_features_all_alike_have_no_covariance():
    with pytest.raises(InputError, match=r"mahalanobis needs features that vary.*: use euclidean"):
        fit_space(np.ones((9, 3), np.float32), "mahalanobis")


def test_unknown_distance():
    with pytest.raises(InputError, match="'cosin' is unknown: did you mean 'cosine'"):
        fit_space(TRAIN, "cosin")
