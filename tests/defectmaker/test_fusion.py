import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.defectmaker.fusion import FUSIONS

RNG = np.random.default_rng(0)


def patches(h, w):
    patch, fill = RNG.integers(0, 256, (2, h, w, 3), dtype=np.uint8)
    return patch, fill


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FUSIONS)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0, 1),
    st.sampled_from([3, 5, 21]),
    st.integers(0, 2**32),
)
def test_nothing_changes_outside_the_mask(name, size, share, kernel, seed):
    patch, fill = patches(*size)
    before = patch.copy(), fill.copy()
    mask = np.random.default_rng(seed).random(size) < share
    mask.flat[0] = True
    fused = FUSIONS[name].fuse(patch, fill, mask, 0.7, kernel)
    assert fused.dtype == np.uint8
    assert fused.shape == patch.shape
    np.testing.assert_array_equal(fused[~mask], patch[~mask])
    np.testing.assert_array_equal(patch, before[0])
    np.testing.assert_array_equal(fill, before[1])


def test_paste_is_the_fill_and_blend_its_formula():
    patch, fill = patches(9, 12)
    mask = RNG.random((9, 12)) < 0.5
    pasted = FUSIONS["paste"].fuse(patch, fill, mask, 1.0, 5)
    np.testing.assert_array_equal(pasted, np.where(mask[..., None], fill, patch))
    blended = FUSIONS["blend"].fuse(patch, fill, mask, 0.25, 5)
    expected = np.where(mask[..., None], 0.25 * fill + 0.75 * patch, patch)
    np.testing.assert_allclose(blended, expected, atol=0.51)


@pytest.mark.parametrize("name", ["softened", "blend_softened"])
def test_softened_edges_fall_off_towards_the_edge(name):
    patch, fill = np.zeros((41, 41, 3), np.uint8), np.full((41, 41, 3), 200, np.uint8)
    fused = FUSIONS[name].fuse(patch, fill, np.ones((41, 41), bool), 0.5, 5)[20, :, 0].astype(int)
    assert fused[20] == 100
    assert (np.diff(fused[:21]) >= 0).all()
    assert 0 < fused[1] < fused[3] < 100  # the edge of the box is an edge of the shape
    np.testing.assert_array_equal(fused, fused[::-1])


def test_softening_does_not_erase_thin_shapes():
    patch, fill = np.zeros((7, 1, 3), np.uint8), np.full((7, 1, 3), 200, np.uint8)
    assert FUSIONS["softened"].fuse(patch, fill, np.ones((7, 1), bool), 1.0, 5).max() > 10


@pytest.mark.parametrize("slices", [np.s_[10:30, 10:40], np.s_[0:40, 0:50], np.s_[0:7, 45:50]])
def test_poisson_takes_over_gradients_not_levels(slices):
    """A fill that is the image itself, but lighter, changes nothing, so it is not moved either."""
    rows, columns = np.mgrid[:40, :50]
    patch = np.stack([80 + 3 * rows, 90 + columns, 60 + rows + columns], axis=-1).astype(np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[slices] = True
    fused = FUSIONS["poisson"].fuse(patch, patch + np.uint8(30), mask, 1.0, 5)
    assert np.abs(fused.astype(int) - patch).max() <= 6
    textured = patch + RNG.integers(0, 40, patch.shape, dtype=np.uint8)
    assert (
        np.abs(FUSIONS["poisson"].fuse(patch, textured, mask, 1.0, 5).astype(int) - patch).max()
        > 10
    )
