"""Changes of light, focus and place, as between shifts, lamps and cameras.

A change is a function of an image, uint8 [height, width, 3] RGB, and a level; it returns an image of the same shape and
type, with values that leave 0 to 255 cut off, as a camera saturates.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Change = Callable[[np.ndarray, float], np.ndarray]

SIDE = 256  # px: side of the image that the level of a blur is stated for
# Light of copies: ranges that are drawn from evenly.
GAINS, GAMMAS, STEEPEST = (0.75, 1.3), (0.75, 1.35), 0.3


def gain(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply all values.

    Example:
        >>> gain(np.full((1, 1, 3), 100, np.uint8), 1.5).tolist()
        [[[150, 150, 150]]]
    """
    return _relit(image, factor, 1.0)


def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """Raise all values, of 0 to 1, to a power."""
    return _relit(image, 1.0, exponent)


def gradient(image: np.ndarray, slope: float) -> np.ndarray:
    """Multiply by a factor that rises from 1 - slope at the left to 1 + slope at the right."""
    return _relit(image, 1.0, 1.0, slope)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Average by a Gaussian, whose standard deviation is stated in pixels of an image of height 256."""
    from scipy import ndimage

    pixels = sigma * image.shape[0] / SIDE
    blurred = ndimage.gaussian_filter(image.astype(np.float32), (pixels, pixels, 0), mode="nearest")
    return _as_bytes(blurred)


def shift(image: np.ndarray, share: float) -> np.ndarray:
    """Move to the right and down by a share of width and height; the border is repeated."""
    from scipy import ndimage

    height, width = image.shape[:2]
    return np.asarray(
        ndimage.shift(image, (share * height, share * width, 0), order=1, mode="nearest")
    )


def rotation(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turn around the centre; the border is repeated."""
    from scipy import ndimage

    return np.asarray(ndimage.rotate(image, degrees, reshape=False, order=1, mode="nearest"))


class Steps(NamedTuple):
    """A change, and the levels that the study of light measures.

    Attributes:
        change: The change.
        unchanged: Level that changes nothing.
        levels: Other levels.
    """

    change: Change
    unchanged: float
    levels: tuple[float, ...]


CHANGES = {
    "gain": Steps(gain, 1.0, (0.7, 0.85, 1.15, 1.3)),
    "gamma": Steps(gamma, 1.0, (0.7, 1.4)),
    "gradient": Steps(gradient, 0.0, (0.2, 0.4)),
    "blur": Steps(blur, 0.0, (1.0, 2.0)),
    "shift": Steps(shift, 0.0, (0.02, 0.05)),
    "rotation": Steps(rotation, 0.0, (2.0, 5.0)),
}


def in_other_light(image: np.ndarray, copy: int) -> np.ndarray:
    """Change the light of an image at random: gain, gamma, and gradients along width and height.

    Image and number of the copy decide the light, so that an image has the same copies in every memory bank.

    Args:
        image: uint8 [height, width, 3] RGB.
        copy: Number of the copy.

    Returns:
        uint8 of the same shape.
    """
    rng = np.random.default_rng([copy, zlib.crc32(np.ascontiguousarray(image).data)])
    factor, exponent = rng.uniform(*GAINS), rng.uniform(*GAMMAS)
    across, down = rng.uniform(-STEEPEST, STEEPEST, 2)
    return _relit(image, factor, exponent, across, down)


def _relit(
    image: np.ndarray, factor: float, exponent: float, across: float = 0.0, down: float = 0.0
) -> np.ndarray:
    """Apply a gain, then a gamma, then a gradient with a slope to the right and one down."""
    values = 255 * (factor * np.arange(256) / 255) ** exponent
    if not (across or down):
        return _as_bytes(values)[image]
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in image.shape[:2])
    light = 1 + across * x[None] + down * y[:, None]
    return _as_bytes(values.astype(np.float32)[image] * light[:, :, None])


def _as_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
