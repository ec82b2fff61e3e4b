"""Residuals between images and their reconstructions, for each pixel."""

from collections.abc import Callable

import torch
from torch.nn import functional

# Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, section III-B.
WINDOW_SIDE, WINDOW_SIGMA = 11, 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]


def squared_error(images: torch.Tensor, reconstructions: torch.Tensor) -> torch.Tensor:
    """Compute the squared difference, mean over channels.

    Args:
        images: float32 [batch, channels, height, width] in [0, 1].
        reconstructions: Same shape and range.

    Returns:
        float32 [batch, height, width], at least 0.
    """
    return (images - reconstructions).square().mean(dim=1)


def structural_dissimilarity(images: torch.Tensor, reconstructions: torch.Tensor) -> torch.Tensor:
    """Compute 1 - SSIM around every pixel, mean over channels.

    SSIM is that of Wang et al. (2004), with a Gaussian window of 11 x 11 pixels; images are mirrored at their edges.
    Bergmann et al. ("Improving unsupervised defect segmentation by applying structural similarity to autoencoders",
    2018) train autoencoders with it and localise defects by it.

    Args:
        images: float32 [batch, channels, height, width] in [0, 1], each side at least 6 pixels.
        reconstructions: Same shape and range.

    Returns:
        float32 [batch, height, width] in [0, 2].
    """
    x, y = images, reconstructions
    means = _window_means(torch.cat([x, y, x * x + y * y, x * y], dim=1))
    mean_x, mean_y, energy, product = means.chunk(4, dim=1)
    means_product, means_energy = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance, variances = product - means_product, energy - means_energy
    luminance = (2 * means_product + C1) / (means_energy + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return 1 - (luminance * structure).mean(dim=1)


def _window_means(values: torch.Tensor) -> torch.Tensor:
    """Compute the mean of each window: float32 [batch, channels, height, width], same shape."""
    channels, reach = values.shape[1], WINDOW_SIDE // 2
    offsets = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    weights = torch.exp(-0.5 * (offsets / WINDOW_SIGMA).square())
    weights = (weights / weights.sum()).expand(channels, 1, -1)
    padded = functional.pad(values, [reach] * 4, mode="reflect")
    # The window is separable: 22 multiplications per pixel instead of 121.
    columns = functional.conv2d(padded, weights[..., None], groups=channels)
    return functional.conv2d(columns, weights[:, :, None], groups=channels)


# Functions (images, reconstructions), [batch, channels, height, width] each, -> [batch, height, width].
PIXEL_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "l2": squared_error,
    "ssim": structural_dissimilarity,
}
