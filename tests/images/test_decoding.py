"""Image files from anywhere: recognised by content, never larger than allowed, errors in one sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.decoding import (
    TooManyPixelsError,
    UnknownFormatError,
    UnreadableImageError,
    read_image,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG"])
def test_every_format_is_told_by_its_content(kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    found = read_image(encoded(kind, **options), "part.txt")
    assert (found.dtype, found.shape) == (np.uint8, (6, 9, 3))
    assert np.abs(found.astype(int) - PIXELS).max() <= (12 if kind == "JPEG" else 0)


def test_orientation_depth_and_transparency() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(encoded("JPEG", exif=exif), "x").shape == (9, 6, 3)
    grey = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    assert read_image(encoded("PNG", grey), "x").tolist() == [[[0] * 3, [1] * 3, [255] * 3]]
    with pytest.raises(UnreadableImageError, match="'x' has 32-bit pixels"):
        read_image(encoded("TIFF", Image.new("F", (2, 2))), "x")


@pytest.mark.parametrize(
    "data", [b"", b"text", b"<svg/>", b"%PDF-1.7", encoded("GIF"), encoded("PPM")]
)
def test_what_is_no_image_of_a_known_format(data: bytes) -> None:
    with pytest.raises(
        UnknownFormatError, match=r"'part.gif' .* is not an image of PNG, JPEG, BMP"
    ):
        read_image(data, "part.gif")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    assert read_image(encoded("PNG"), "x", max_pixels=54).shape == (6, 9, 3)
    with pytest.raises(TooManyPixelsError, match="'x' has 9 x 6 pixels, more than the 53"):
        read_image(encoded("PNG"), "x", max_pixels=53)
    for side in (12_000, 60_000):  # the second is refused by Pillow itself
        with pytest.raises(TooManyPixelsError, match="make it smaller"):
            read_image(png_header(side, side), "bomb")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_off_files(kind: str, share: float) -> None:
    data = encoded(
        kind, Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    )
    with pytest.raises(UnreadableImageError, match=r"'x' .*cannot be decoded"):
        read_image(data[: int(share * len(data))], "x")


@given(
    data=st.binary(max_size=64),
    kind=st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "WEBP"]),
    at=st.integers(0, 200),
)
def test_whatever_comes_is_an_image_or_an_input_error(data: bytes, kind: str, at: int) -> None:
    whole = encoded(kind)
    try:
        found = read_image(whole[:at] + data + whole[at + len(data) :], "x", max_pixels=10_000)
    except InputError:
        return
    assert found.dtype == np.uint8
    assert found.shape[2] == 3
