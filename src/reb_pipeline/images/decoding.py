"""From the bytes of an image file to its pixels; knows nothing of Kedro, light to import."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


class UnreadableImageError(InputError):
    """An image or mask file is missing, broken or of a kind that cannot be used."""


class UnknownFormatError(UnreadableImageError):
    """The bytes are no image of a format that is read."""


class TooManyPixelsError(UnreadableImageError):
    """The image has more pixels than are taken; none of them was decoded."""


def decode_image(
    data: bytes, name: str, formats: tuple[str, ...] | None = None, max_pixels: int | None = None
) -> Image:
    """Decode an image, upright as its EXIF orientation says.

    Args:
        data: The bytes of the file.
        name: What the error calls the image.
        formats: Pillow's names of the formats to take, told by content; all that Pillow reads without it.
        max_pixels: Most pixels to decode, told by the file's header; without it Pillow's own limit of 179 million
            holds, and it holds beside any larger one.

    Raises:
        UnknownFormatError: If the bytes are of no such format.
        TooManyPixelsError: If there are more pixels.
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
    """Bring an image of any mode to 8-bit colour.

    Args:
        image: What was decoded.
        name: What the error calls the image.

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
