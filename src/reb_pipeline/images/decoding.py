"""Decoding of image files to pixels, the only place where they are opened; quick to import.

``docs/reference/images.md`` lists what becomes of every kind of file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.headers import Header, png_ends_early, read_header
from reb_pipeline.images.shown import draft
from reb_pipeline.images.value_range import CONTAINER, ValueRange, own_range

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
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_KINDS = {"f": "float", "i": "signed", "u": "unsigned"}  # by numpy's kind of the dtype
_OF_PILLOW = Header(bits=32, is_signed=True)  # what the values of Pillow's deepest modes are
_ORIENTATION = 0x0112  # EXIF tag
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


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
    """

    pixels: np.ndarray
    mode: str = "L"
    stated: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def is_deep(self) -> bool:
        """True if the pixels have more than 8 bits."""
        return self.pixels.dtype != np.uint8


def read_image(
    data: bytes,
    source: str,
    max_pixels: int = MAX_PIXELS,
    value_range: ValueRange | None = None,
) -> np.ndarray:
    """Decode an image file of unknown origin to RGB, with a check of its format and its number of pixels.

    Args:
        data: Bytes of a PNG, JPEG, BMP, TIFF or WebP file; the content decides the format, not the name.
        source: Name of the image in error messages, without quotes.
        max_pixels: Largest number of pixels to decode. Pillow's own limit of 179 million pixels applies as well.
        value_range: See :func:`to_rgb`.

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
    return to_rgb(decode_image(data, name, max_pixels), name, value_range)


def count_pixels(data: bytes) -> int:
    """Read the number of pixels in the header of an image file; 0 if the file cannot be opened.

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
    except Exception:  # decode_image says what is wrong with it
        return 0


def decode_image(
    data: bytes, name: str, max_pixels: int | None = None, side: int | None = None
) -> DecodedImage:
    """Decode an image, turned upright by its EXIF orientation.

    Args:
        data: The bytes of the file; the content decides the format, one of :data:`FORMATS`.
        name: Name of the image in error messages, including quotes if they are wanted.
        max_pixels: Largest number of pixels to decode, checked by the size in the file's header; None sets no limit.
            Pillow's own limit of 179 million pixels always applies.
        side: Side that the image is shown at, see :func:`reb_pipeline.images.shown.draft`; None decodes all pixels.

    Raises:
        UnknownFormatError: If the content has no accepted format.
        TooManyPixelsError: If the image has more pixels; none is decoded then.
        UnreadableImageError: If the bytes are broken, or hold several frames, transparent pixels, or samples that are
            not read.
    """
    from PIL import Image, UnidentifiedImageError  # slow to import

    header = read_header(data)
    if header.fault:
        raise UnreadableImageError(
            f"Image {name} cannot be decoded (it {header.fault}): save it as grey or RGB of 8 or 16 bits, or take it "
            "out of the data."
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_one_frame(image, name, max_pixels)
            if side is not None:
                draft(image, side)
            return _decoded(image, data, header)
    except InputError:
        raise
    except ImportError as error:
        raise UnreadableImageError(
            f"Image {name} has colours of 16 bits, which only OpenCV decodes: run `pip install opencv-python-headless`."
        ) from error
    except _TransparentError as error:
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
        pixels = _pixels(ImageOps.exif_transpose(image), _OF_PILLOW)
    except _TransparentError as error:
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


class _TransparentError(Exception):
    """Error of transparent pixels; the message is their number."""


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
    width, height = image.size
    if max_pixels is not None and width * height > max_pixels:
        raise TooManyPixelsError(
            f"Image {name} has {width} x {height} pixels, more than the {max_pixels} that are taken: make it smaller."
        )
    n_frames = getattr(image, "n_frames", 1)
    if n_frames > 1:
        raise UnreadableImageError(
            f"Image {name} holds {n_frames} frames or pages, and one part would stand for all: save each that counts "
            "as a file of its own."
        )


def _decoded(image: Image, data: bytes, header: Header) -> DecodedImage:
    from PIL import ImageOps

    orientation = image.getexif().get(_ORIENTATION, 1)
    remarks = [TURNED] if orientation in _TURNS else []
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
    if mode in _CONVERTED:
        remarks.append(_CONVERTED[mode])
    if header.is_deep_colour:
        pixels, has_alpha = _deep_colour(data, image, header)
        mode = "RGB;16"
        if header.kind == "PNG" and orientation in _TURNS:  # OpenCV turns TIFF files itself
            pixels, size = _TURNS[orientation](pixels), size if orientation < 5 else size[::-1]
        if pixels.shape[1::-1] != size:
            msg = f"decoded to {pixels.shape[1::-1]} pixels, not the {size} of its header"
            raise ValueError(msg)
    else:
        has_alpha = mode in _WITH_ALPHA
        pixels = _pixels(ImageOps.exif_transpose(image), header)
    if has_alpha:
        remarks.append(OPAQUE)
    stated = header.stated
    if stated and pixels.max() > stated[0]:
        stated = stated[1:]
        if not stated:
            msg = f"it holds the value {pixels.max()}, but states that none exceeds {header.stated[0]}"
            raise ValueError(msg)
    return DecodedImage(np.array(pixels, order="C"), mode, stated, tuple(remarks))


def _pixels(image: Image, header: Header) -> np.ndarray:
    """Return the pixels of an image that Pillow decodes in full depth.

    Raises:
        _TransparentError: If a pixel is transparent.
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
    if image.mode in _WITH_ALPHA or key is not None:
        _check_opaque(np.asarray(image.convert("RGBA"))[:, :, 3] == 255)
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"):
        opaque = image.convert("RGBA") if image.mode in ("PA", "RGBa") else image
        return np.asarray(opaque.convert("RGB"))
    msg = f"colours in the mode {image.mode} are not read"
    raise ValueError(msg)


def _deep_colour(data: bytes, image: Image, header: Header) -> tuple[np.ndarray, bool]:
    """Decode 16-bit colours, which Pillow would cut to 8 bits.

    Returns:
        uint16 [height, width, 3] RGB, not turned by EXIF in PNG files, and whether there is an alpha channel.

    Raises:
        _TransparentError: If a pixel is transparent.
        ValueError: If OpenCV cannot decode the file.
        ImportError: If OpenCV is not installed; inspection alone does without it.
    """
    import cv2

    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or found.ndim != 3 or found.shape[2] not in (3, 4):
        msg = f"its {header.channels} channels of {header.bits} bits cannot be read"
        raise ValueError(msg)
    if found.shape[2] == 4:
        _check_opaque(found[:, :, 3] == CONTAINER)
    rgb = found[:, :, 2::-1]
    key = image.info.get("transparency")
    _check_opaque((rgb != key).any(axis=2) if key is not None else None)
    return rgb, header.channels in (2, 4)


def _check_opaque(is_opaque: np.ndarray | None) -> None:
    if is_opaque is not None and not is_opaque.all():
        raise _TransparentError(f"{is_opaque.size - int(is_opaque.sum()):,}")
