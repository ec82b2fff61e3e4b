import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.reconstruction.pixel_losses import (
    C1,
    PIXEL_LOSSES,
    squared_error,
    structural_dissimilarity,
)


def pair(height, width, channels=3, seed=0):
    """Two images that have something in common, [channels, height, width] in [0, 1]."""
    rng = np.random.default_rng(seed)
    first = rng.random((channels, height, width))
    second = np.clip(0.6 * first + 0.4 * rng.random(first.shape), 0, 1)
    return first.astype(np.float32), second.astype(np.float32)


def measure(loss, first, second):
    return loss(torch.from_numpy(first)[None], torch.from_numpy(second)[None])[0].numpy()


def ssim_by_hand(first, second):
    """The formula of Wang et al. at every pixel of one channel, window by window."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = (np.pad(image.astype(np.float64), 5, mode="reflect") for image in (first, second))
    ssim = np.empty(first.shape)
    for row, column in np.ndindex(first.shape):
        a, b = (image[row : row + 11, column : column + 11] for image in (x, y))
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        variance_a, variance_b = (
            (window * (v - v_mean) ** 2).sum() for v, v_mean in ((a, mean_a), (b, mean_b))
        )
        covariance = (window * (a - mean_a) * (b - mean_b)).sum()
        ssim[row, column] = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
        ssim[row, column] /= (mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4)
    return ssim


@settings(max_examples=5)
@given(st.integers(6, 20), st.integers(6, 20), st.integers(0, 99))
def test_ssim_is_the_published_formula(height, width, seed):
    first, second = pair(height, width, seed=seed)
    wanted = 1 - np.mean(
        [ssim_by_hand(*planes) for planes in zip(first, second, strict=True)], axis=0
    )
    found = measure(structural_dissimilarity, first, second)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_ssim_of_flat_images_compares_their_brightness():
    dark, bright = np.full((1, 16, 16), 0.2, np.float32), np.full((1, 16, 16), 0.7, np.float32)
    wanted = 1 - (2 * 0.2 * 0.7 + C1) / (0.2**2 + 0.7**2 + C1)
    np.testing.assert_allclose(measure(structural_dissimilarity, dark, bright), wanted, atol=1e-4)


def test_squared_error_is_the_mean_over_channels():
    first, second = pair(9, 7)
    np.testing.assert_allclose(
        measure(squared_error, first, second), ((first - second) ** 2).mean(axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_an_image_is_nowhere_far_from_itself_and_images_do_not_mix(name):
    images = torch.from_numpy(np.stack(pair(16, 24)))
    assert measure(PIXEL_LOSSES[name], images[0].numpy(), images[0].numpy()) == pytest.approx(
        0, abs=1e-6
    )
    both = PIXEL_LOSSES[name](images, images.flip(0))
    alone = PIXEL_LOSSES[name](images[:1], images[1:])
    assert torch.allclose(both[0], alone[0], atol=1e-6)
    assert torch.allclose(both[0], both[1], atol=1e-6)  # symmetric


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_gradients_lead_to_the_image(name):
    image = torch.from_numpy(pair(24, 24)[0])[None]
    drawn = torch.full_like(image, 0.5, requires_grad=True)
    optimizer = torch.optim.Adam([drawn], lr=0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = PIXEL_LOSSES[name](image, drawn).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert (drawn - image).abs().mean() < 0.1
