import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.reconstruction.fusion import fuse_residuals
from reb_pipeline.scoring.anomaly_maps import resize_map

RNG = np.random.default_rng(0)
LEVELS = [RNG.exponential(size=(2, n, n)).astype(np.float32) for n in (9, 5, 3)]


@pytest.mark.parametrize(("fusion", "combine"), [("sum", np.add), ("product", np.multiply)])
def test_levels_are_upsampled_and_combined(fusion, combine):
    found = fuse_residuals(LEVELS, fusion)
    assert found.dtype == np.float32
    assert found.shape == (2, 9, 9)
    for image, fused in enumerate(found):
        upsampled = [resize_map(level[image], (9, 9)) for level in LEVELS]
        expected = combine(combine(upsampled[0], upsampled[1]), upsampled[2])
        np.testing.assert_allclose(fused, expected, rtol=1e-5)


def test_one_level_alone_stays_as_it_is():
    for fusion in ("sum", "product"):
        np.testing.assert_array_equal(fuse_residuals(LEVELS[:1], fusion), LEVELS[0])


def test_an_anomaly_of_one_level_counts_more_in_a_sum():
    """3 times the usual residual in one level against 1.5 times in all three."""
    usual = [np.ones((1, 3, 3), np.float32) for _ in range(3)]
    for level in usual:
        level[0, 2, 2] = 1.5
    usual[1][0, 0, 0] = 3.0
    assert fuse_residuals(usual, "sum").argmax() == 0
    assert fuse_residuals(usual, "product").argmax() == 8


def test_unknown_fusions_are_refused():
    with pytest.raises(InputError, match="Fusion 'produkt' is unknown: did you mean 'product'"):
        fuse_residuals(LEVELS, "produkt")
