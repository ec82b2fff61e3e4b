"""Pixels of images that Pillow has opened, in the depth of their files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.images.headers import Header
from reb_pipeline.images.value_range import CONTAINER

if TYPE_CHECKING:
    from PIL.Image import Image

WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
ORIENTATION = 0x0112  # EXIF tag
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


class TransparentError(Exception):
    """Error of transparent pixels; the message is their number."""


def pixels_of(image: Image, header: Header) -> np.ndarray:
    """Return the pixels of an image that Pillow decodes in full depth.

    Raises:
        TransparentError: If a pixel is transparent.
        ValueError: If the mode is not read.
    """
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
        _check_opaque(pixels != key if key is not None else None)
        return pixels
    if image.mode in ("I", "F"):
        pixels = np.asarray(image)
        if header.bits == 16:
            return pixels.astype(np.int16)
        return pixels if header.is_signed or image.mode == "F" else pixels.view(np.uint32)
    if image.mode in WITH_ALPHA or key is not None:
        _check_opaque(np.asarray(image.convert("RGBA"))[:, :, 3] == 255)
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"):
        opaque = image.convert("RGBA") if image.mode in ("PA", "RGBa") else image
        return np.asarray(opaque.convert("RGB"))
    msg = f"colours in the mode {image.mode} are not read"
    raise ValueError(msg)


def channels_of(image: Image, header: Header) -> np.ndarray:
    """Return the channels of an image as they are stored, with an alpha channel as one more of them.

    Args:
        image: The image, not of 16-bit colours.
        header: Its header.

    Returns:
        [height, width] or [height, width, channels].

    Raises:
        ValueError: If the mode is not read.
    """
    if image.mode in ("LA", "RGB", "RGBA", "CMYK"):
        return np.asarray(image)
    return pixels_of(image, header)


def deep_colour(
    data: bytes, image: Image, header: Header, *, as_stored: bool = False
) -> tuple[np.ndarray, bool]:
    """Decode 16-bit colours, which Pillow would cut to 8 bits.

    Args:
        data: The bytes of the file.
        image: The opened image.
        header: Its header.
        as_stored: True keeps an alpha channel, as one more channel.

    Returns:
        uint16 [height, width, 3] RGB, not turned by EXIF in PNG files, and whether an alpha channel was dropped.

    Raises:
        TransparentError: If a pixel is transparent.
        ValueError: If OpenCV cannot decode the file.
        ImportError: If OpenCV is not installed; inspection alone does without it.
    """
    import cv2

    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or found.ndim != 3 or found.shape[2] not in (3, 4):
        msg = f"its {header.channels} channels of {header.bits} bits cannot be read"
        raise ValueError(msg)
    if as_stored:
        order = {2: [2, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # of OpenCV's blue, green, red, alpha
        return found[:, :, order[header.channels]], False
    if found.shape[2] == 4:
        _check_opaque(found[:, :, 3] == CONTAINER)
    rgb = found[:, :, 2::-1]
    key = image.info.get("transparency")
    _check_opaque((rgb != key).any(axis=2) if key is not None else None)
    return rgb, header.channels in (2, 4)


def not_disproved(stated: tuple[int, ...], pixels: np.ndarray) -> tuple[int, ...]:
    """List the largest values that a file states, but for one that its pixels exceed.

    Raises:
        ValueError: If they exceed all.
    """
    if stated and pixels.max() > stated[0]:
        if not stated[1:]:
            msg = f"it holds the value {pixels.max()}, but states that none exceeds {stated[0]}"
            raise ValueError(msg)
        return stated[1:]
    return stated


def _check_opaque(is_opaque: np.ndarray | None) -> None:
    if is_opaque is not None and not is_opaque.all():
        raise TransparentError(f"{is_opaque.size - int(is_opaque.sum()):,}")
