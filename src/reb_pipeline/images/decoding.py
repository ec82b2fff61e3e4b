"""Decoding of image files to pixels; quick to import."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


# Limits for images of unknown origin, see read_image.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000


class UnreadableImageError(InputError):
    """Error of an image or mask file that is missing, broken or of a kind that cannot be used."""


class UnknownFormatError(UnreadableImageError):
    """Error of bytes that are no image of an accepted format."""


class TooManyPixelsError(UnreadableImageError):
    """Error of an image with more pixels than allowed; none of them was decoded."""


def read_image(data: bytes, source: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file of unknown origin to RGB, with a check of its format and its number of pixels.

    Args:
        data: Bytes of a PNG, JPEG, BMP, TIFF or WebP file; the content decides the format, not the name.
        source: Name of the image in error messages, without quotes.
        max_pixels: Largest number of pixels to decode. Pillow's own limit of 179 million pixels applies as well.

    Returns:
        uint8 [height, width, 3] RGB, see :func:`decode_image` and :func:`to_rgb`.

    Raises:
        UnknownFormatError: If the content has none of these formats.
        TooManyPixelsError: If the image has more pixels.
        UnreadableImageError: If the image is broken or has 32-bit pixels.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4, 2), "red").save(file, "PNG")
        >>> read_image(file.getvalue(), "red.png").shape
        (2, 4, 3)
    """
    name = f"'{source}'"
    return to_rgb(decode_image(data, name, FORMATS, max_pixels), name)


def decode_image(
    data: bytes, name: str, formats: tuple[str, ...] | None = None, max_pixels: int | None = None
) -> Image:
    """Decode an image, turned upright by its EXIF orientation.

    Args:
        data: The bytes of the file.
        name: Name of the image in error messages, including quotes if they are wanted.
        formats: Pillow's names of the accepted formats, recognised by content; None accepts all that Pillow reads.
        max_pixels: Largest number of pixels to decode, checked by the size in the file's header; None sets no limit.
            Pillow's own limit of 179 million pixels always applies.

    Returns:
        The image in the mode of its file.

    Raises:
        UnknownFormatError: If the content has no accepted format.
        TooManyPixelsError: If the image has more pixels; none is decoded then.
        UnreadableImageError: If the bytes are broken.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # slow to import

    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise TooManyPixelsError(
                    f"Image {name} has {width} x {height} pixels, more than the {max_pixels} that are taken: make it "
                    "smaller."
                )
            return ImageOps.exif_transpose(image)
    except InputError:
        raise
    except UnidentifiedImageError:
        known = f"an image of {', '.join(formats)}" if formats else "an image"
        raise UnknownFormatError(
            f"Image {name} cannot be decoded (its content is not {known}): replace the file, or take it out of the "
            "data."
        ) from None
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(
            f"Image {name} cannot be decoded ({error}): make it smaller."
        ) from error
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions
        raise UnreadableImageError(
            f"Image {name} cannot be decoded ({error}): replace the file, or take it out of the data."
        ) from error


def to_rgb(image: Image, name: str) -> np.ndarray:
    """Convert an image of any mode to 8-bit colour.

    Args:
        image: The decoded image.
        name: Name of the image in error messages.

    Returns:
        uint8 [height, width, 3] RGB; grey is repeated, 16 bits are scaled to 8, transparency is dropped.

    Raises:
        UnreadableImageError: If the image has 32-bit pixels.
    """
    if image.mode.startswith("I;16"):
        # Pillow would clip at 255 instead of scaling 0..65535 to 0..255.
        grey = np.rint(np.asarray(image) / 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise UnreadableImageError(
            f"Image {name} has 32-bit pixels whose range is unknown: convert it to 8 or 16 bits."
        )
    return np.array(image.convert("RGB"))
