"""Light evened out before the features are made: each image by itself, so that nothing is fitted or stored.

``white_balance`` undoes changes of the light's colour, ``photometric`` also those of exposure, ``flat_field`` light
that falls off to a side. The last two take contrast that a defect may have, too.
"""

from collections.abc import Callable

import numpy as np

# Of ImageNet, which networks were trained on; images are brought to them by channel.
MEAN, SPREAD = (124.0, 116.0, 104.0), (58.0, 57.0, 57.0)
GRID = 32  # patches along either axis, whose brightness is blurred
BLUR = 0.25  # standard deviation of the blur, share of the side


def photometric(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bring each channel to the mean and spread of ImageNet's images.

    Args:
        image: float32 [height, width, 3] in 0 to 255.
        inside: Pixels that count, bool [height, width].

    Example:
        >>> image = np.random.default_rng(0).uniform(40, 120, (8, 8, 3)).astype(np.float32)
        >>> everywhere = np.ones((8, 8), bool)
        >>> np.allclose(photometric(image, everywhere), photometric(1.5 * image, everywhere), atol=1e-3)
        True
    """
    counted = image[inside]
    spread = np.maximum(counted.std(axis=0), 1)
    even = (image - counted.mean(axis=0)) / spread * np.array(SPREAD, np.float32) + np.array(
        MEAN, np.float32
    )
    return np.asarray(even, np.float32)


def white_balance(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bring the mean of each channel to the mean of all (grey world; Buchsbaum, J. Franklin Inst. 310, 1980).

    Images that are learnt and images that are inspected then have one colour on average; brightness and contrast stay.
    Arguments as :func:`photometric`.
    """
    means = image[inside].mean(axis=0)
    return np.asarray(image * (means.mean() / np.maximum(means, 1)), np.float32)


def flat_field(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Divide by the image's own blurred brightness, and keep its mean; arguments as :func:`photometric`."""
    from PIL import Image

    height, width = inside.shape
    weights = _shrunk(inside)
    grey = _shrunk(image.mean(axis=2) * inside)
    steps = np.arange(GRID)
    kernel = np.exp(-(((steps[:, None] - steps) / (BLUR * GRID)) ** 2) / 2)
    # Blurred over the pixels that count alone, so neither the border nor what lies outside darkens the light.
    light = (kernel @ grey @ kernel) / np.maximum(kernel @ weights @ kernel, 1e-6)
    of_pixels = Image.fromarray(light.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    light = np.maximum(np.asarray(of_pixels), 1)
    return np.asarray(image / light[..., None] * light[inside].mean(), np.float32)


def _shrunk(values: np.ndarray) -> np.ndarray:
    """Average to a grid of 32 x 32, float64."""
    from PIL import Image

    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize((GRID, GRID), Image.Resampling.BOX), np.float64)


def _both(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return photometric(flat_field(image, inside), inside)


AS_IS = "as_is"
LIGHTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    AS_IS: lambda image, _: image,
    "white_balance": white_balance,
    "photometric": photometric,
    "flat_field": flat_field,
    "both": _both,
}
"""Ways to even out light, by name: image, pixels that count -> image."""


def evened(image: np.ndarray, light: str, inside: np.ndarray | None = None) -> np.ndarray:
    """Even out the light of an image.

    Args:
        image: uint8 [height, width, 3] RGB.
        light: A key of :data:`LIGHTS`.
        inside: Pixels that count, bool [height, width]; None for all.

    Returns:
        uint8 of the same shape; the image itself for ``as_is``.
    """
    if light == AS_IS:
        return image
    counted = np.ones(image.shape[:2], bool) if inside is None else inside
    even = LIGHTS[light](image.astype(np.float32), counted)
    return np.clip(np.rint(even), 0, 255).astype(np.uint8)
