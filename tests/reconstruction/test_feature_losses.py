import numpy as np
import pytest
import torch

from reb_pipeline.reconstruction.feature_losses import FEATURE_LOSSES

ONE, OTHER = np.random.default_rng(0).normal(size=(2, 2, 5, 3, 4)).astype(np.float32)


def residual(loss, one=ONE, other=OTHER):
    return FEATURE_LOSSES[loss](torch.from_numpy(one), torch.from_numpy(other)).numpy()


def test_every_position_by_its_formula():
    found = {loss: residual(loss) for loss in FEATURE_LOSSES}
    assert found.keys() == {"squared", "cosine"}
    for batch, y, x in np.ndindex(2, 3, 4):
        a, b = ONE[batch, :, y, x].astype(float), OTHER[batch, :, y, x].astype(float)
        squared = sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / 5
        cosine = 1 - a @ b / np.sqrt((a @ a) * (b @ b))
        assert found["squared"][batch, y, x] == pytest.approx(squared, rel=1e-5)
        assert found["cosine"][batch, y, x] == pytest.approx(cosine, rel=1e-4, abs=1e-6)


def test_contrast_is_seen_by_the_squared_difference_alone():
    assert np.abs(residual("cosine", 3 * ONE, ONE)).max() < 1e-5
    np.testing.assert_allclose(
        residual("squared", 3 * ONE, ONE), 4 * (ONE**2).mean(axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("loss", FEATURE_LOSSES)
def test_features_without_a_direction_give_a_number(loss):
    assert np.isfinite(residual(loss, np.zeros_like(ONE), OTHER)).all()
