import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from reb_pipeline.scoring.anomaly_maps import AnomalyMaps, anomaly_map, resize_map


def upsampled(scores, shape):
    maps = torch.from_numpy(scores)[None, None]
    return functional.interpolate(maps, shape, mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("grid", [(32, 32), (28, 28), (5, 9), (1, 1)])
@pytest.mark.parametrize(("size", "sigma"), [(256, 4.0), (128, 4.0), (300, 2.5), (64, 0.0)])
def test_equals_torch_and_scipy(grid, size, sigma):
    scores = np.random.default_rng(0).normal(0, 5, grid).astype(np.float32)
    expected = gaussian_filter(upsampled(scores, (size, size)), sigma * size / 256)
    found = anomaly_map(scores, size, sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_maps_of_any_shape_are_upsampled():
    scores = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    np.testing.assert_allclose(resize_map(scores, (90, 17)), upsampled(scores, (90, 17)), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=st.floats(-1000, 1000, width=32),
    ),
    st.integers(8, 40),
    st.floats(0, 40),
)
def test_never_leaves_the_range_of_the_patch_scores(scores, size, sigma):
    found = anomaly_map(scores, size, sigma)
    rounding = 1e-6 * np.abs(scores).max()
    assert found.min() >= scores.min() - rounding
    assert found.max() <= scores.max() + rounding


def test_maps_by_id():
    scores = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    maps = AnomalyMaps(scores, ["b", "a"], size=32, sigma=4.0)
    assert len(maps) == 2
    assert [image_id for image_id, _ in maps] == ["b", "a"]
    for (image_id, one), patch_scores in zip(maps, scores, strict=True):
        np.testing.assert_array_equal(one, anomaly_map(patch_scores, 32, 4.0))
        np.testing.assert_array_equal(one, maps[image_id])
    np.testing.assert_array_equal(maps.at("a", (50, 70)), resize_map(maps["a"], (50, 70)))
    with pytest.raises(KeyError, match="c"):
        maps["c"]
