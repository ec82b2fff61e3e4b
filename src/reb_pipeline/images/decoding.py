"""Decode the bytes of an image file to pixels; light to import."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


# Of images that come from anywhere, see read_image.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000


class UnreadableImageError(InputError):
    """Error of an image or mask file that is missing, broken or of a kind that cannot be used."""


class UnknownFormatError(UnreadableImageError):
    """Error of bytes that are no image of an accepted format."""


class TooManyPixelsError(UnreadableImageError):
    """Error of an image with more pixels than allowed; none of them was decoded."""


def read_image(data: bytes, source: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file from anywhere to RGB: its content gives the format, its number of pixels is limited.

    Args:
        data: The bytes of a PNG, JPEG, BMP, TIFF or WebP file, whatever its name.
        source: Name of the image in errors, without quotes.
        max_pixels: Most pixels to decode; above Pillow's own limit of 179 million that one holds.

    Returns:
        uint8 [height, width, 3] RGB, see :func:`decode_image` and :func:`to_rgb`.

    Raises:
        UnknownFormatError: If it is none of these formats.
        TooManyPixelsError: If it has more pixels.
        UnreadableImageError: If it is broken or has 32-bit pixels.
    """
    name = f"'{source}'"
    return to_rgb(decode_image(data, name, FORMATS, max_pixels), name)


def decode_image(
    data: bytes, name: str, formats: tuple[str, ...] | None = None, max_pixels: int | None = None
) -> Image:
    """Decode an image, upright as its EXIF orientation says.

    Args:
        data: The bytes of the file.
        name: Name of the image in errors, with quotes where they are wanted.
        formats: Pillow's names of the accepted formats, recognised by content; None accepts all that Pillow reads.
        max_pixels: Most pixels to decode, by the size in the file's header. Pillow's own limit of 179 million holds
            as well, and alone if None.

    Returns:
        The image in the mode of its file.

    Raises:
        UnknownFormatError: If the bytes are of no such format.
        TooManyPixelsError: If there are more pixels; none of them was decoded.
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
    except Exception as error:  # each of Pillow's decoders has exceptions of its own
        raise UnreadableImageError(
            f"Image {name} cannot be decoded ({error}): replace the file, or take it out of the data."
        ) from error


def to_rgb(image: Image, name: str) -> np.ndarray:
    """Convert an image of any mode to 8-bit colour.

    Args:
        image: The decoded image.
        name: Name of the image in errors.

    Returns:
        uint8 [height, width, 3] RGB; grey is repeated, 16 bits are scaled to 8, transparency dropped.

    Raises:
        UnreadableImageError: If it has 32-bit pixels.
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
