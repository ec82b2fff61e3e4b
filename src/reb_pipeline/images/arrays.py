"""Images as arrays: the check of their type and shape, and the reading of ``.npy`` files."""

import io
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.decoding import DecodedImage, UnreadableImageError, to_rgb
from reb_pipeline.images.value_range import ValueRange

CHANNELS = 3
# By numpy's kind of the dtype.
CONVERSIONS = {
    "f": "multiply values in 0..1 by 255 and convert them to uint8",
    "b": "convert it to uint8 and multiply by 255",
    "u": "scale values to 0..255, from 0..65535 by dividing by 257, and convert them to uint8",
    "i": "scale values to 0..255 and convert them to uint8",
}


def check_rgb(image: Any, what: str) -> None:
    """Check that an array is an RGB image.

    Args:
        image: The array.
        what: Name of the image, the subject of the error's sentence.

    Raises:
        InputError: If it is not a numpy array of uint8 [H, W, 3], or has no pixels.

    Example:
        >>> check_rgb(np.zeros((48, 64, 3), np.uint8), "The image")
        >>> check_rgb(np.zeros((48, 64), np.uint8), "The image")
        Traceback (most recent call last):
            ...
        reb_pipeline.core.errors.InputError: The image is uint8 [48, 64]: give an RGB image, uint8 [H, W, 3]; repeat \
the grey channel three times.
    """
    if not isinstance(image, np.ndarray):
        msg = f"{what} is of type {type(image).__name__}: give an RGB image as a numpy array, uint8 [H, W, 3]."
        raise InputError(msg)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != CHANNELS or image.size == 0:
        hint = _hint(image)
        msg = (
            f"{what} is {image.dtype} {list(image.shape)}: give an RGB image, uint8 [H, W, 3]"
            f"{hint and '; '}{hint}."
        )
        raise InputError(msg)


def read_array(data: bytes, name: str, value_range: ValueRange | None = None) -> np.ndarray:
    """Read an image from the bytes of a ``.npy`` file.

    Args:
        data: The bytes of the file.
        name: Name of the file in error messages, including quotes if they are wanted.
        value_range: Range that numbers other than uint8 are mapped from, [height, width] or [height, width, 3]; None
            accepts RGB of uint8 only.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        UnreadableImageError: If the bytes are no array, are cut off, or need pickle.
        InputError: If the array is not uint8 [height, width, 3], has no pixels, or has values out of range.
    """
    try:
        image = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy raises many kinds of exceptions for a broken header
        raise UnreadableImageError(
            f"Image {name} is no array that numpy can read (cut off, of another format, or of Python objects): write "
            "it again with numpy.save, or take it out of the data."
        ) from error
    is_deep = image.dtype != np.uint8 and image.dtype.kind in "uif"
    if value_range and is_deep and image.size and (image.ndim == 2 or image.shape[2:] == (3,)):
        return to_rgb(DecodedImage(image), name, value_range)
    check_rgb(image, f"Image {name}")
    return image


def _hint(image: np.ndarray) -> str:
    """Name the conversion that such an array needs, in the imperative; empty if none is known."""
    n_axes, shape = image.ndim, image.shape
    if image.size == 0:
        hint = "this one has no pixels"
    elif n_axes == 4:
        hint = "give the images of a stack one by one"
    elif n_axes == 2 or (n_axes == 3 and shape[2] == 1):
        hint = "repeat the grey channel three times"
    elif n_axes != 3:
        hint = ""
    elif shape[2] == CHANNELS:
        hint = CONVERSIONS.get(image.dtype.kind, "")
    elif shape[2] == CHANNELS + 1:
        hint = "drop the fourth channel"
    else:
        hint = "move the channels to the last axis" if shape[0] in (1, CHANNELS) else ""
    return hint
