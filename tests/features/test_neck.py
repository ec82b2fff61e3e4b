import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from reb_pipeline.features.neck import NECKS, combined_neck, paper_neck, reference_neck


def make_maps(*shapes, seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, *shape, generator=generator) for shape in shapes]


def windows(m):
    """The 3x3 neighbourhood of every position, zeros outside: [batch, h, w, channels, 3, 3]."""
    batch, channels, h, w = m.shape
    padded = np.pad(m.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    found = np.empty((batch, h, w, channels, 3, 3), np.float32)
    for y, x in np.ndindex(h, w):
        found[:, y, x] = padded[:, :, y : y + 3, x : x + 3]
    return found


def upsample(values, h, w):
    """Bilinear, pixel centres aligned, position by position: [batch, h0, w0, …] to [batch, h, w, …]."""
    h0, w0 = values.shape[1:3]
    found = np.empty((len(values), h, w, *values.shape[3:]), np.float32)
    for y, x in np.ndindex(h, w):
        at_y = max((y + 0.5) * h0 / h - 0.5, 0)
        at_x = max((x + 0.5) * w0 / w - 0.5, 0)
        top, left = int(at_y), int(at_x)
        bottom, right = min(top + 1, h0 - 1), min(left + 1, w0 - 1)
        down, across = at_y - top, at_x - left
        found[:, y, x] = (
            (1 - down) * (1 - across) * values[:, top, left]
            + (1 - down) * across * values[:, top, right]
            + down * (1 - across) * values[:, bottom, left]
            + down * across * values[:, bottom, right]
        )
    return found


def pool(vector, width):
    return functional.adaptive_avg_pool1d(torch.from_numpy(vector)[None], width)[0].numpy()


def obvious_reference(maps, width):
    """PatchCore's neck as its code goes: the neighbourhoods are upsampled whole, then pooled."""
    h, w = maps[0].shape[-2:]
    levels = [windows(m) for m in maps]
    levels = [level if level.shape[1:3] == (h, w) else upsample(level, h, w) for level in levels]
    found = np.empty((len(maps[0]), width, h, w), np.float32)
    for image, y, x in np.ndindex(len(maps[0]), h, w):
        pooled = [pool(level[image, y, x].reshape(1, -1), width)[0] for level in levels]
        found[image, :, y, x] = pool(np.concatenate(pooled)[None], width)[0]
    return found


def obvious_paper(maps):
    h, w = maps[0].shape[-2:]
    means = [upsample(windows(m).mean(axis=(4, 5)), h, w) for m in maps]
    return np.concatenate(means, axis=3).transpose(0, 3, 1, 2)


SHAPES = [
    [(4, 6, 6), (8, 3, 3)],
    [(3, 5, 7), (5, 3, 4)],
    [(4, 6, 6)],
    [(4, 4, 4), (6, 4, 4), (8, 2, 2)],
]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("width", [3, 16, 50])
def test_reference_neck_is_the_reference_code_s(shapes, width):
    maps = make_maps(*shapes)
    found = reference_neck(maps, width)
    assert found.shape == (2, width, *shapes[0][1:])
    np.testing.assert_allclose(found, obvious_reference(maps, width), atol=1e-5)


@pytest.mark.parametrize("shapes", SHAPES)
def test_paper_neck_averages_upsamples_and_concatenates(shapes):
    maps = make_maps(*shapes)
    found = paper_neck(maps, width=1)
    assert found.shape == (2, sum(shape[0] for shape in shapes), *shapes[0][1:])
    np.testing.assert_allclose(found, obvious_paper(maps), atol=1e-5)


UPPER_LEFT = np.array([[1, 1, 2], [1, 1, 0], [0, 0, 0]]) / 6
CENTRE_TWICE = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]]) / 10


def weighted(m, weights):
    return np.einsum("bhwcyx,yx->bchw", windows(m), weights)


def test_reference_neck_of_resnet18():
    """The Jacobian of the reference code: two halves of a layer2 channel, one mean of a layer3 channel."""
    fine, deep = make_maps((128, 6, 6), (256, 3, 3), batch=1)
    found = reference_neck([fine, deep], 512).numpy()
    for first, weights in enumerate((UPPER_LEFT, UPPER_LEFT[::-1, ::-1])):
        np.testing.assert_allclose(found[:, first:256:2], weighted(fine, weights), atol=1e-5)
    means = weighted(deep, CENTRE_TWICE).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(
        found[:, 256:], upsample(means, 6, 6).transpose(0, 3, 1, 2), atol=1e-5
    )


def test_reference_neck_of_wide_resnet50():
    """One mean of a layer2 channel, one mean of two neighbouring layer3 channels."""
    fine, deep = make_maps((512, 4, 4), (1024, 2, 2), batch=1)
    found = reference_neck([fine, deep], 1024).numpy()
    np.testing.assert_allclose(found[:, :512], weighted(fine, CENTRE_TWICE), atol=1e-5)
    pairs = weighted(deep, np.full((3, 3), 1 / 9)).reshape(1, 512, 2, 2, 2).mean(axis=2)
    expected = upsample(pairs.transpose(0, 2, 3, 1), 4, 4).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found[:, 512:], expected, atol=1e-5)


@pytest.mark.parametrize("neck", NECKS.values(), ids=NECKS)
@settings(max_examples=20, deadline=None)
@given(seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)), factor=st.floats(-10, 10))
def test_necks_are_linear(neck, seeds, factor):
    one, other = (make_maps((4, 6, 6), (8, 3, 3), seed=seed) for seed in seeds)
    both = [a + factor * b for a, b in zip(one, other, strict=True)]
    expected = neck(one, 16) + factor * neck(other, 16)
    torch.testing.assert_close(neck(both, 16), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shapes", SHAPES)
def test_combined_neck_is_half_the_reference_code_s_beside_the_paper_s(shapes):
    maps = make_maps(*shapes)
    expected = np.concatenate([obvious_reference(maps, 8), obvious_paper(maps)], axis=1)
    np.testing.assert_allclose(combined_neck(maps, 16).numpy(), expected, rtol=1e-4, atol=1e-5)
