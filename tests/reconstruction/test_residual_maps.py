"""Residuals of many images on one grid."""

import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.reconstruction.residual_maps import ResidualMaps, measure_residuals
from reb_pipeline.scoring.settings import ImageScoreSettings

RNG = np.random.default_rng(0)
LEVELS = [
    (f"part {index}", [RNG.normal(size=(side, side, side)).astype(np.float32) for side in (8, 4)])
    for index in range(5)
]


class MeanOfChannels:
    """Gives the mean over channels as residual; keeps the sizes of the batches."""

    def __init__(self):
        self.batches = []

    def residuals(self, levels):
        self.batches.append(len(levels[0]))
        return [level.mean(axis=3) for level in levels]


def test_residuals_of_all_images_lie_on_the_finest_grid():
    reconstructor = MeanOfChannels()
    found = measure_residuals(iter(LEVELS), reconstructor, "a decoder", batch_size=2)
    assert reconstructor.batches == [2, 2, 1]
    assert found.levels.shape == (5, 2, 8, 8)
    assert found.levels.dtype == np.float32
    assert found.image_ids == [image_id for image_id, _ in LEVELS]
    assert found.decoder_fingerprint == "a decoder"
    for image_id, (fine, coarse) in LEVELS:
        np.testing.assert_array_equal(found[image_id][0], fine.mean(axis=2))
        # At twice the side, pixels of the corners lie beyond the outermost centres and take their value.
        corners = coarse.mean(axis=2)[[0, 0, -1, -1], [0, -1, 0, -1]]
        np.testing.assert_allclose(found[image_id][1][[0, 0, -1, -1], [0, -1, 0, -1]], corners)
        assert found[image_id][1].mean() == pytest.approx(coarse.mean(), abs=1e-5)


@pytest.mark.parametrize(("fusion", "formula"), [("sum", np.sum), ("product", np.prod)])
def test_fusion_is_over_levels(fusion, formula):
    levels = RNG.uniform(size=(3, 2, 4, 5)).astype(np.float32)
    fused = ResidualMaps(levels, ["a", "b", "c"], "").fuse(fusion)
    assert fused.shape == (3, 4, 5)
    np.testing.assert_allclose(fused, formula(levels, axis=1), rtol=1e-6)
    found = ResidualMaps(levels, ["a", "b", "c"], "").score(
        fusion, ImageScoreSettings(image_score="max")
    )
    assert found.image_ids == ["a", "b", "c"]
    np.testing.assert_array_equal(found.patch_scores, fused)
    np.testing.assert_array_equal(found.image_scores, fused.max(axis=(1, 2)))


def test_what_cannot_be_used():
    with pytest.raises(InputError, match="no images to reconstruct"):
        measure_residuals([], MeanOfChannels(), "", 2)
    maps = ResidualMaps(np.ones((1, 1, 2, 2), np.float32), ["a"], "this one")
    maps.check_decoder("this one")
    with pytest.raises(InputError, match="different decoders: run the pipeline feature_reconstr"):
        maps.check_decoder("another")
