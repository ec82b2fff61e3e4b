"""Shading of a camera and its lamp: measured by photos of the empty field, and divided out of every image.

It is one for all images of a category, unlike the light that :mod:`reb_pipeline.images.even_light` evens out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import has_aspect
from reb_pipeline.images.value_range import BIT_DEPTHS

GRID = 16  # blocks along either axis, large enough that dust and noise do not count
BLUR = 1.0  # blocks: standard deviation of the Gaussian that smooths them
DECIMALS = 4  # of the stored light
DARK, SATURATED = (
    0.05,
    0.01,
)  # mean as a share of the largest value; share of the pixels that have it
CHANNELS = "red", "green", "blue"
DARKEST = 0.1  # of the mean: where less light falls, noise would be amplified tenfold
SETTING = "features.empty_field"
OTHER_FIELD = (
    "The memory bank was made with other photos of the empty field: run the pipeline memory_bank again, or set "
    "features.empty_field back."
)


@dataclass(frozen=True, eq=False)
class EmptyField:
    """Light over the field of view.

    Attributes:
        light: float32 [16, 16, 3], the light of each block and channel; the mean of each channel is 1.
        aspect: Width over height of the photos of the empty field.

    Example:
        >>> light = np.ones((16, 16, 3), np.float32)
        >>> light[:, :8], light[:, 8:] = 0.5, 1.5  # the lamp stands at the right
        >>> EmptyField(light, 1.0).corrected(np.full((16, 16, 3), 60, np.uint8))[0, 6:10, 0].tolist()
        [120, 120, 40, 40]
    """

    light: np.ndarray
    aspect: float

    @classmethod
    def of(cls, path: str) -> Self:
        """Measure the light on one photo of the empty field, or on the mean of those in a folder.

        Each channel is averaged over blocks, smoothed, and divided by its mean. So colour and brightness of images stay
        as they are.

        Args:
            path: Path or URL of an image file, or of a folder.

        Raises:
            InputError: If a photo cannot be read, is black or saturated, or they differ in size.
        """
        from scipy import ndimage

        total, shape = np.zeros((GRID, GRID, 3)), (0, 0)
        for name, pixels in _photos(path):
            _check_exposure(name, pixels)
            if shape not in ((0, 0), pixels.shape[:2]):
                msg = (
                    f"The photos of {SETTING} = {path!r} differ in size: {name} has {pixels.shape[1]} x "
                    f"{pixels.shape[0]} pixels, others have {shape[1]} x {shape[0]}. Take them with one camera."
                )
                raise InputError(msg)
            shape = pixels.shape[:2]
            blocks = _blocks(pixels)
            total += blocks / blocks.mean()
        smooth = ndimage.gaussian_filter(total, (BLUR, BLUR, 0), mode="nearest")
        light = np.round(smooth / smooth.mean(axis=(0, 1)), DECIMALS)
        if light.min() < DARKEST:
            msg = (
                f"{SETTING} = {path!r} is nearly black at places, {light.min():.0%} of its mean light, where noise "
                f"would be amplified: light the whole field, and photograph nothing else."
            )
            raise InputError(msg)
        return cls(light.astype(np.float32), shape[1] / shape[0])

    @classmethod
    def of_json(cls, values: dict[str, Any] | None) -> Self | None:
        """Read what :meth:`as_json` wrote; None gives None."""
        if values is None:
            return None
        light = np.array(values["light"], np.float32).reshape(GRID, GRID, 3)
        return cls(light, values["aspect"])

    def as_json(self) -> dict[str, Any]:
        """Describe the light as JSON values, row by row."""
        return {
            "aspect": self.aspect,
            "light": [round(float(one), DECIMALS) for one in self.light.ravel()],
        }

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that an image is as much wider than high as the photos of the empty field.

        Args:
            shape: Height and width of the image in pixels.

        Raises:
            InputError: If it is not.
        """
        if not has_aspect(shape, self.aspect):
            height, width = shape[:2]
            msg = (
                f"The photos of the empty field are {self.aspect:.3f} times as wide as high, and the image of "
                f"{width} x {height} pixels is {width / height:.3f} times as wide: take {SETTING} with the camera of "
                f"the images."
            )
            raise InputError(msg)

    def corrected(self, image: np.ndarray) -> np.ndarray:
        """Divide an image by the light.

        Args:
            image: uint8 [height, width, 3] RGB, the whole field of view at any size.

        Returns:
            uint8 of the same shape.
        """
        even = image / _at(self.light.tobytes(), image.shape[:2])
        return np.clip(np.rint(even), 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _at(light: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Interpolate the light of blocks to pixels, float32 [height, width, 3]."""
    from PIL import Image

    blocks = np.frombuffer(light, np.float32).reshape(GRID, GRID, 3)
    channels = [
        Image.fromarray(blocks[..., channel]).resize(shape[::-1], Image.Resampling.BILINEAR)
        for channel in range(3)
    ]
    return np.stack([np.asarray(one) for one in channels], axis=2)


def _photos(path: str) -> Iterator[tuple[str, np.ndarray]]:
    """Decode the photos of a file or folder in their own depth: name, numbers [height, width] or [height, width, 3].

    Raises:
        InputError: If one cannot be read.
    """
    import fsspec

    from reb_pipeline.core.places import reaching
    from reb_pipeline.images.decoding import decode_image
    from reb_pipeline.images.folder import list_images, read_file

    with reaching(f"{SETTING} = {path!r} cannot be read", "give a photo or a folder of photos"):
        filesystem, place = fsspec.url_to_fs(path)
        is_folder = filesystem.isdir(place)
    if is_folder:
        folder, found = list_images(path)
        files = [(f"'{name}' in {SETTING} = '{path}'", folder, name) for name in found.images]
    else:
        files = [(f"{SETTING} = '{path}'", filesystem, place)]
    for name, where, file in files:
        with reaching(f"{name} cannot be read", "give a photo or a folder of photos"):
            data = read_file(where, file)
        yield name, decode_image(data, name).pixels


def _check_exposure(name: str, pixels: np.ndarray) -> None:
    """Check that a photo is neither black, in no channel, nor saturated.

    Raises:
        InputError: If it is.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        msg = (
            f"{name} has pixels of the type {pixels.dtype}: save it as grey or RGB of 8 or 16 bits."
        )
        raise InputError(msg)
    top = next(2**bits - 1 for bits in BIT_DEPTHS if pixels.max() < 2**bits)
    means, at_top = np.atleast_1d(pixels.mean(axis=(0, 1))) / top, float((pixels >= top).mean())
    darkest = int(means.argmin())
    if means[darkest] < DARK:
        channel = "" if (means < DARK).all() else f" in {CHANNELS[darkest]}"
        remedy = (
            "with a lamp of all colours, or save all photos as grey"
            if channel
            else "with the lamp on"
        )
        msg = (
            f"{name} is black{channel}, {means[darkest]:.1%} of the largest value on average, so that it shows no "
            f"light: photograph the empty field {remedy}."
        )
        raise InputError(msg)
    if at_top > SATURATED:
        msg = (
            f"{name} is saturated in {at_top:.0%} of its values, where light cannot be told: expose it for a shorter "
            f"time."
        )
        raise InputError(msg)


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """Average a photo over blocks, float64 [16, 16, 3]; grey is repeated."""
    from PIL import Image

    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    size = (GRID, GRID)
    blocks = [
        np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BOX), np.float64)
        for one in np.moveaxis(channels.astype(np.float32), 2, 0)
    ]
    return np.broadcast_to(np.stack(blocks, axis=2), (GRID, GRID, 3))
