"""Images in any form that a caller has them in: paths, bytes, Pillow images, arrays."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.places import reaching
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.decoding import (
    MAX_PIXELS,
    DecodedImage,
    UnreadableImageError,
    read_image,
    read_opened,
    to_rgb,
)
from reb_pipeline.images.value_range import ValueRange

if TYPE_CHECKING:
    from PIL.Image import Image

ImageLike = Union[str, os.PathLike[str], bytes, np.ndarray, "Image"]


def open_image(
    image: ImageLike, value_range: ValueRange | None = None, channels: Channels | None = None
) -> np.ndarray:
    """Convert an image to RGB.

    Args:
        image: Path or URL of a file, its bytes, a Pillow image, or an array of uint8 or uint16: grey [height, width] or
            [height, width, 1], or RGB [height, width, 3].
        value_range: Range that values of more than 8 bits are mapped from, see
            :func:`reb_pipeline.images.decoding.to_rgb`.
        channels: Channels that are picked from a file or its bytes; a Pillow image or an array has only these.

    Returns:
        uint8 [height, width, 3] RGB, turned upright by the EXIF orientation.

    Raises:
        UnreadableImageError: If a file is missing or broken, or values are out of range.
        InputError: If it is nothing of these.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.images.opening import open_image
        >>> open_image(np.zeros((48, 64), np.uint8)).shape
        (48, 64, 3)
    """
    if isinstance(image, np.ndarray):
        return _of_array(image, value_range)
    if isinstance(image, bytes | bytearray | memoryview):
        return read_image(bytes(image), "bytes", MAX_PIXELS, value_range, channels)
    if isinstance(image, str | os.PathLike):
        path = os.fspath(image)
        return read_image(_read(path), path, MAX_PIXELS, value_range, channels)
    if hasattr(image, "getexif"):  # Pillow is slow to import
        return to_rgb(read_opened(image, "given"), "given", value_range)
    msg = (
        f"An image to inspect must be a path, bytes, a Pillow image or an array of uint8 or uint16, not "
        f"{type(image).__name__}: convert it."
    )
    raise InputError(msg)


def _of_array(image: np.ndarray, value_range: ValueRange | None) -> np.ndarray:
    is_grey = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1)
    is_image = (is_grey or (image.ndim == 3 and image.shape[2] == 3)) and image.size > 0
    if not is_image or image.dtype not in (np.uint8, np.uint16):
        msg = (
            f"An image to inspect must be an array of uint8 or uint16, [height, width] or [height, width, 3] RGB, not "
            f"{image.dtype} {image.shape}: convert it."
        )
        raise InputError(msg)
    pixels = image.reshape(image.shape[:2]) if is_grey else image
    return to_rgb(DecodedImage(pixels), "given", value_range)


def _read(path: str) -> bytes:
    """Read a file; ``~`` is the home folder.

    Raises:
        UnreadableImageError: If it cannot be read.
    """
    import fsspec

    from reb_pipeline.images.folder import read_file

    with reaching(f"Image '{path}' cannot be read", "correct the path", UnreadableImageError):
        return read_file(*fsspec.url_to_fs(path if "://" in path else Path(path).expanduser()))
