"""Decoding of image files to pixels, the only place where they are opened; quick to import.

``docs/reference/images.md`` lists what becomes of every kind of file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.channels import SETTING, Channels
from reb_pipeline.images.headers import Header, png_ends_early, read_header
from reb_pipeline.images.opened import (
    ORIENTATION,
    TURNS,
    WITH_ALPHA,
    TransparentError,
    channels_of,
    deep_colour,
    not_disproved,
    pixels_of,
)
from reb_pipeline.images.shown import draft
from reb_pipeline.images.tiff_planes import fault_of, grey_file, read_pages
from reb_pipeline.images.value_range import ValueRange, own_range

if TYPE_CHECKING:
    from PIL.Image import Image


# Pillow's names of the formats that are opened. Others may start programs, such as Ghostscript for EPS.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000

# Conversions beside the decoding, for the audit.
TURNED = "turned upright by the EXIF orientation"
OPAQUE = "an alpha channel without transparency dropped"
PALETTE = "a palette replaced by its colours"
ONE_BIT = "black and white of 1 bit"
CMYK = "CMYK converted to RGB without a colour profile"
YCBCR = "YCbCr converted to RGB"
_CONVERTED = {"1": ONE_BIT, "P": PALETTE, "PA": PALETTE, "CMYK": CMYK, "YCbCr": YCBCR}
_KINDS = {"f": "float", "i": "signed", "u": "unsigned"}  # by numpy's kind of the dtype
_OF_PILLOW = Header(bits=32, is_signed=True)  # what the values of Pillow's deepest modes are


class UnreadableImageError(InputError):
    """Error of an image or mask file that is missing, broken or of a kind that cannot be used."""


class UnknownFormatError(UnreadableImageError):
    """Error of bytes that are no image of an accepted format."""


class TooManyPixelsError(UnreadableImageError):
    """Error of an image with more pixels than allowed; none of them was decoded."""


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """Decoded image, upright, in the depth of its file.

    Attributes:
        pixels: [height, width] grey or [height, width, 3] RGB; uint8, uint16, int32, uint32 or float32.
        mode: Pillow's name of the channels of the file; ``RGB;16`` for 16-bit colour.
        stated: Largest values that a pixel can have by the file's statement; empty if it states nothing.
        remarks: Conversions beside the decoding, such as :data:`TURNED`.
        n_channels: Number of channels of the file that the pixels were picked from; 0 if none were picked.
    """

    pixels: np.ndarray
    mode: str = "L"
    stated: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    n_channels: int = 0

    @property
    def is_deep(self) -> bool:
        """True if the pixels have more than 8 bits."""
        return self.pixels.dtype != np.uint8


def read_image(
    data: bytes,
    source: str,
    max_pixels: int = MAX_PIXELS,
    value_range: ValueRange | None = None,
    channels: Channels | None = None,
) -> np.ndarray:
    """Decode an image file of unknown origin to RGB, with a check of its format and its number of pixels.

    Args:
        data: Bytes of a PNG, JPEG, BMP, TIFF or WebP file; the content decides the format, not the name.
        source: Name of the image in error messages, without quotes.
        max_pixels: Largest number of pixels to decode. Pillow's own limit of 179 million pixels applies as well.
        value_range: See :func:`to_rgb`.
        channels: See :func:`decode_image`.

    Returns:
        uint8 [height, width, 3] RGB, see :func:`decode_image` and :func:`to_rgb`.

    Raises:
        UnknownFormatError: If the content has none of these formats.
        TooManyPixelsError: If the image has more pixels.
        UnreadableImageError: If the image is broken, of a kind that is not read, or its values are out of range.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4, 2), "red").save(file, "PNG")
        >>> read_image(file.getvalue(), "red.png").shape
        (2, 4, 3)
    """
    name = f"'{source}'"
    return to_rgb(decode_image(data, name, max_pixels, channels=channels), name, value_range)


def count_pixels(data: bytes) -> int:
    """Read the number of pixels in the header of an image file; 0 if it is broken.

    Args:
        data: The bytes of the file; the content decides the format, one of :data:`FORMATS`.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("L", (4, 2)).save(file, "PNG")
        >>> count_pixels(file.getvalue())
        8
    """
    from PIL import Image  # slow to import

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height
    except Exception:
        # It has channels that Pillow does not know, or decode_image says what is wrong with it.
        return read_header(data).n_pixels


def count_channels(data: bytes, name: str) -> int:
    """Count the channels of an image file, as they are stored and through the pages of a TIFF.

    Args:
        data: The bytes of the file.
        name: Name of the image in error messages, including quotes if they are wanted.

    Raises:
        UnreadableImageError: See :func:`decode_image`.
    """
    return decode_image(data, name, channels=Channels((0,))).n_channels


def decode_image(
    data: bytes,
    name: str,
    max_pixels: int | None = None,
    side: int | None = None,
    channels: Channels | None = None,
) -> DecodedImage:
    """Decode an image, turned upright by its EXIF orientation.

    Args:
        data: The bytes of the file; the content decides the format, one of :data:`FORMATS`.
        name: Name of the image in error messages, including quotes if they are wanted.
        max_pixels: Largest number of pixels to decode, checked by the size in the file's header; None sets no limit.
            Pillow's own limit of 179 million pixels always applies.
        side: Side that the image is shown at, see :func:`reb_pipeline.images.shown.draft`; None decodes all pixels.
        channels: Channels to pick, counted as they are stored, an alpha channel among them and through the pages of a
            TIFF; None reads grey and RGB files only.

    Raises:
        UnknownFormatError: If the content has no accepted format.
        TooManyPixelsError: If the image has more pixels; none is decoded then.
        UnreadableImageError: If the bytes are broken, or hold several frames, transparent pixels, samples that are
            not read, or other channels.
    """
    from PIL import Image, UnidentifiedImageError  # slow to import

    header = read_header(data)
    is_picked_from_tiff = channels is not None and header.kind == "TIFF"
    if header.fault and not is_picked_from_tiff:
        raise UnreadableImageError(
            f"Image {name} cannot be decoded (it {header.fault}): save it as grey or RGB of 8 or 16 bits, or take it "
            f"out of the data; channels of several lights are picked by {SETTING}."
        )
    try:
        if channels is not None and is_picked_from_tiff:
            return _of_pages(data, name, max_pixels, channels)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_one_frame(image, name, max_pixels)
            if side is not None and channels is None:
                draft(image, side)
            return _decoded(image, data, header, name, channels)
    except InputError:
        raise
    except ImportError as error:
        raise UnreadableImageError(
            f"Image {name} has colours of 16 bits, which only OpenCV decodes: run `pip install opencv-python-headless`."
        ) from error
    except TransparentError as error:
        raise _transparent(name, error) from None
    except UnidentifiedImageError:
        if header.kind:
            raise UnreadableImageError(
                f"Image {name} cannot be decoded (a {header.kind} file that is cut off, or of a kind that is not read):"
                " replace the file, or take it out of the data."
            ) from None
        raise UnknownFormatError(
            f"Image {name} cannot be decoded (its content is not an image of {', '.join(FORMATS)}): replace the file, "
            "or take it out of the data."
        ) from None
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(
            f"Image {name} cannot be decoded ({error}): make it smaller."
        ) from error
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions
        raise UnreadableImageError(
            f"Image {name} cannot be decoded ({error}): replace the file, or take it out of the data."
        ) from error


def read_opened(image: Image, name: str) -> DecodedImage:
    """Read the pixels of an image that Pillow has opened or made, turned upright by its EXIF orientation.

    Args:
        image: The image.
        name: Name of the image in error messages, including quotes if they are wanted.

    Raises:
        UnreadableImageError: If it is broken, or has transparent pixels or a mode that is not read.
    """
    from PIL import ImageOps

    try:
        pixels = pixels_of(ImageOps.exif_transpose(image), _OF_PILLOW)
    except TransparentError as error:
        raise _transparent(name, error) from None
    except Exception as error:  # Pillow decodes only now
        raise UnreadableImageError(
            f"Image {name} cannot be decoded ({error}): replace it by a grey or RGB image."
        ) from error
    return DecodedImage(np.array(pixels, order="C"), image.mode)


def to_rgb(image: DecodedImage, name: str, value_range: ValueRange | None = None) -> np.ndarray:
    """Convert a decoded image to 8-bit colour.

    Args:
        image: The decoded image.
        name: Name of the image in error messages.
        value_range: Range that the values of more than 8 bits are mapped from, that of the images learnt from; None
            takes what the file states, or 16 bits if its values prove them.

    Returns:
        uint8 [height, width, 3] RGB; grey is repeated.

    Raises:
        UnreadableImageError: If the range is unknown, a value lies outside, or the file states another depth.
    """
    pixels = image.pixels
    if image.is_deep:
        scale = value_range or _own_range(image)
        bits = 8 * pixels.dtype.itemsize
        if scale is None:
            raise UnreadableImageError(
                f"Image {name} has {bits}-bit pixels ({_KINDS[pixels.dtype.kind]}) whose range is unknown: give "
                "bit_depth or value_range with the raw images that are learnt from, or convert it to 8 bits."
            )
        fault = scale.fault(pixels)
        if not fault and image.stated and scale.is_depth() and scale.high not in image.stated:
            fault = f"states values of 0 to {image.stated[0]} by itself, not those of {scale}"
        if fault:
            raise UnreadableImageError(
                f"Image {name} {fault}: take it with the settings of the images learnt from, or correct bit_depth or "
                "value_range of these and run again."
            )
        pixels = scale.to_bytes(pixels)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def _transparent(name: str, number: Exception) -> UnreadableImageError:
    return UnreadableImageError(
        f"Image {name} has {number} transparent pixels, whose colours are unknown: put it on a background and save "
        "it without transparency."
    )


def _own_range(image: DecodedImage) -> ValueRange | None:
    if image.pixels.dtype != np.uint16:
        return None
    return own_range(int(image.pixels.max()), image.stated)


def _check_one_frame(image: Image, name: str, max_pixels: int | None) -> None:
    _check_pixels(*image.size, name, max_pixels)
    n_frames = getattr(image, "n_frames", 1)
    if n_frames > 1:
        raise UnreadableImageError(
            f"Image {name} holds {n_frames} frames or pages, and one part would stand for all: save each that counts "
            f"as a file of its own; pages of a TIFF that show one part under several lights are picked by {SETTING}."
        )


def _check_pixels(width: int, height: int, name: str, max_pixels: int | None) -> None:
    if max_pixels is not None and width * height > max_pixels:
        raise TooManyPixelsError(
            f"Image {name} has {width} x {height} pixels, more than the {max_pixels} that are taken: make it smaller."
        )


def _decoded(
    image: Image, data: bytes, header: Header, name: str, channels: Channels | None
) -> DecodedImage:
    from PIL import ImageOps

    orientation = image.getexif().get(ORIENTATION, 1)
    remarks = [TURNED] if orientation in TURNS else []
    size = image.size
    image.load()  # also of what OpenCV decodes: it would take a part of a cut-off file for the whole
    # Rows that a PNG lacks are zeros, and passes that it lacks lie between the others.
    if (
        header.kind == "PNG"
        and (image.info.get("interlace") or not np.asarray(image)[-1].any())
        and png_ends_early(data)
    ):
        msg = "it holds fewer rows than its header says"
        raise ValueError(msg)
    mode = image.mode
    if mode in _CONVERTED and (channels is None or mode != "CMYK"):  # whose inks are picked
        remarks.append(_CONVERTED[mode])
    if header.is_deep_colour:
        pixels, has_alpha = deep_colour(data, image, header, as_stored=channels is not None)
        mode = "RGB;16"
        if header.kind == "PNG" and orientation in TURNS:  # OpenCV turns TIFF files itself
            pixels, size = TURNS[orientation](pixels), size if orientation < 5 else size[::-1]
        if pixels.shape[1::-1] != size:
            msg = f"decoded to {pixels.shape[1::-1]} pixels, not the {size} of its header"
            raise ValueError(msg)
    else:
        has_alpha = mode in WITH_ALPHA and channels is None
        read = pixels_of if channels is None else channels_of
        pixels = read(ImageOps.exif_transpose(image), header)
    if has_alpha:
        remarks.append(OPAQUE)
    n_channels = 0
    if channels is not None:
        n_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        _check_channels(n_channels, name, channels)
        pixels = channels.of(pixels)
    stated = not_disproved(header.stated, pixels)
    return DecodedImage(np.array(pixels, order="C"), mode, stated, tuple(remarks), n_channels)


def _of_pages(data: bytes, name: str, max_pixels: int | None, channels: Channels) -> DecodedImage:
    """Pick channels of a TIFF file, which are counted through its pages."""
    from PIL import Image

    pages = read_pages(data)
    if fault := fault_of(pages):
        raise UnreadableImageError(
            f"Image {name} cannot be decoded (it {fault}): save its channels without loss, in 8 or 16 bits."
        )
    first, n_channels = pages[0], sum(page.n_channels for page in pages)
    _check_pixels(first.width, first.height, name, max_pixels)
    _check_channels(n_channels, name, channels)  # before they are decoded
    header = Header("TIFF", first.bits, is_signed=first.is_signed)
    parts = []
    with Image.open(io.BytesIO(grey_file(data, pages)), formats=("TIFF",)) as image:
        numbers = iter(range(sum(page.n_greys for page in pages)))
        for page in pages:
            greys = []
            for number in islice(numbers, page.n_greys):
                image.seek(number)
                greys.append(np.array(pixels_of(image, header)))
            parts.append(page.pixels(greys))
    pixels = channels.of(np.concatenate(parts, axis=2))
    stated = not_disproved(first.stated, pixels)
    turn = TURNS.get(first.orientation)
    return DecodedImage(
        np.array(turn(pixels) if turn else pixels, order="C"),
        f"{n_channels} channels of {first.bits} bits",
        stated,
        (TURNED,) if turn else (),
        n_channels,
    )


def _check_channels(n_channels: int, name: str, channels: Channels) -> None:
    if fault := channels.fault(n_channels):
        raise UnreadableImageError(
            f"Image {name} {fault}: take it as the others were taken, or correct {SETTING}."
        )
