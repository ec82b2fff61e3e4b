"""Every kind of image file has one stated behaviour: the pixels that it gives, or the sentence that refuses it."""

import io
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
from PIL import Image

import odd_images as odd
from reb_pipeline.core.errors import InputError
from reb_pipeline.images import decoding
from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.images.decoding import decode_image, read_image, to_rgb
from reb_pipeline.images.value_range import ValueRange

TWELVE = ValueRange.of_depth(12)
UNIT = ValueRange(0, 1)
GREY8 = np.repeat(odd.RAMP8[:, :, None], 3, 2)


def scaled(values, high):
    """[height, width, 3] uint8 of values of 0 to `high`, in whole numbers: the nearest of 256 levels."""
    levels = ((values.astype(np.int64) * 510 + high) // (2 * high)).astype(np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[:, :, None], 3, 2)


def with_exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def upright(pixels, orientation):
    """The pixels as Pillow turns an image."""
    image = Image.open(io.BytesIO(odd.pillow(pixels, "PNG", exif=with_exif(orientation))))
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(image))


def rgba(alpha, pixels=odd.RGB8):
    return np.dstack([pixels, np.full(pixels.shape[:2], alpha, pixels.dtype)])


def half_transparent():
    image = rgba(255)
    image[0, 0, 3] = 254
    return image


PALETTE = Image.fromarray(odd.RGB8).quantize(64)
FROM_PALETTE = np.asarray(PALETTE.convert("RGB"))
BLACK_AND_WHITE = Image.fromarray(odd.RAMP8).convert("1")
CMYK = Image.fromarray(odd.RGB8).convert("CMYK")
OTHER = Image.fromarray(255 - odd.RGB8)
FULL12 = scaled(odd.RAMP12, 4095)
FULL16 = scaled(odd.RAMP16, 65535)
COLOUR16 = scaled(odd.RGB16, 65535)
EXIF6 = odd.png(odd.RGB16, (b"eXIf", with_exif(6).tobytes()[6:]))

# Kind -> (file, range of the model, pixels).
READ = {
    "grey PNG of 8 bits": (odd.pillow(odd.RAMP8, "PNG"), None, GREY8),
    "grey PNG of 16 bits": (odd.pillow(odd.RAMP16, "PNG"), None, FULL16),
    "grey TIFF of 16 bits": (odd.tiff(odd.RAMP16), None, FULL16),
    "12 bits in a PNG of 16": (odd.pillow(odd.RAMP12, "PNG"), TWELVE, FULL12),
    "12 bits in a TIFF of 16": (odd.tiff(odd.RAMP12), TWELVE, FULL12),
    "12 bits stated by a TIFF": (odd.tiff(odd.RAMP12, t341=4095), None, FULL12),
    "12 bits stated as maximum by a TIFF": (odd.tiff(odd.RAMP12, t281=4095), None, FULL12),
    "12 bits packed in a TIFF": (
        odd.tiff(odd.RAMP12, data=odd.packed_12_bits(odd.RAMP12), t258=12), None, FULL12),
    "12 bits stated by a PNG": (odd.png(odd.RAMP12, (b"sBIT", b"\x0c")), None, FULL12),
    "12 bits scaled to 16 by a PNG": (odd.png(odd.RAMP12 * 16, (b"sBIT", b"\x0c")), None,
                                      scaled(odd.RAMP12.astype(int) * 16, 65535)),
    "RGB PNG of 16 bits": (odd.png(odd.RGB16), None, COLOUR16),
    "RGB TIFF of 16 bits": (odd.tiff(odd.RGB16), None, COLOUR16),
    "RGB of 12 bits in a PNG of 16": (odd.png(odd.RGB16 >> 4), TWELVE, scaled(odd.RGB16 >> 4, 4095)),
    "RGB of 12 bits in a TIFF of 16": (odd.tiff(odd.RGB16 >> 4), TWELVE, scaled(odd.RGB16 >> 4, 4095)),
    "RGBA PNG of 16 bits, opaque": (odd.png(rgba(65535, odd.RGB16)), None, COLOUR16),
    "RGBA TIFF of 16 bits, opaque": (odd.tiff(rgba(65535, odd.RGB16), t338=2), None, COLOUR16),
    "grey with alpha PNG of 16 bits, opaque": (
        odd.png(np.dstack([odd.RAMP16, np.full_like(odd.RAMP16, 65535)])), None, FULL16),
    "RGB TIFF of 8 bits in planes": (odd.tiff(odd.RGB8, planes=2), None, odd.RGB8),
    "float TIFF with a range": (
        odd.tiff((odd.RAMP12 / 4095).astype(np.float32)), UNIT, FULL12),
    "signed TIFF with a range": (odd.tiff(odd.RAMP12.astype(np.int16)), TWELVE, FULL12),
    "unsigned 32-bit TIFF with a range": (odd.tiff(odd.RAMP12.astype(np.uint32)), TWELVE, FULL12),
    "RGBA PNG, opaque": (odd.pillow(rgba(255), "PNG"), None, odd.RGB8),
    "RGBA TIFF, opaque": (odd.pillow(rgba(255), "TIFF"), None, odd.RGB8),
    "RGBA WebP, opaque": (odd.pillow(rgba(255), "WEBP", lossless=True), None, odd.RGB8),
    "BMP of 32 bits": (odd.pillow(rgba(255), "BMP"), None, odd.RGB8),
    "grey with alpha PNG, opaque": (
        odd.png(np.dstack([odd.RAMP8, np.full_like(odd.RAMP8, 255)])), None, GREY8),
    "palette PNG": (odd.pillow(PALETTE, "PNG"), None, FROM_PALETTE),
    "palette BMP": (odd.pillow(PALETTE, "BMP"), None, FROM_PALETTE),
    "PNG of 1 bit": (odd.pillow(BLACK_AND_WHITE, "PNG"), None, np.asarray(BLACK_AND_WHITE.convert("RGB"))),
    "TIFF of 1 bit, CCITT": (odd.pillow(BLACK_AND_WHITE, "TIFF", compression="group4"), None,
                             np.asarray(BLACK_AND_WHITE.convert("RGB"))),
    "CMYK TIFF": (odd.pillow(CMYK, "TIFF"), None, np.asarray(CMYK.convert("RGB"))),
    "YCbCr TIFF": (odd.pillow(Image.fromarray(odd.RGB8).convert("YCbCr"), "TIFF"), None,
                   np.asarray(Image.fromarray(odd.RGB8).convert("YCbCr").convert("RGB"))),
    "turned PNG of 16 bits": (EXIF6, None, scaled(np.rot90(odd.RGB16, -1), 65535)),
    "turned TIFF of 16 bits": (odd.tiff(odd.RGB16, t274=6), None, scaled(np.rot90(odd.RGB16, -1), 65535)),
    "PNG with black rows at its end": (odd.png(np.zeros_like(odd.RGB8)), None, np.zeros_like(odd.RGB8)),
    "interlaced PNG": (odd.png(odd.RGB8, passes=7), None, odd.RGB8),
    "interlaced PNG of 16 bits": (odd.png(odd.RGB16, passes=7), None, COLOUR16),
    "interlaced PNG of 1 pixel": (odd.png(odd.RGB8[:1, :1], passes=7), None, odd.RGB8[:1, :1]),
    "JPEG under another name": (odd.pillow(odd.RGB8, "BMP"), None, odd.RGB8),
}  # fmt: skip
# Kind -> (file, range of the model, what the sentence says).
REFUSED = {
    "12 bits that nothing states": (odd.pillow(odd.RAMP12, "PNG"), None, "16-bit pixels .* range is unknown"),
    "RGB of 12 bits that nothing states": (odd.png(odd.RGB16 >> 4), None, "16-bit pixels .* range is unknown"),
    "brighter than the model's range": (odd.pillow(odd.RAMP16, "PNG"), TWELVE, "value 65535 outside of 0 to 4095"),
    "brighter RGB than the model's range": (odd.tiff(odd.RGB16), TWELVE, "value 65535 outside of 0 to 4095"),
    "brighter than it states": (odd.tiff(odd.RAMP16, t341=4095), None, "value 65535, but states .* 4095"),
    "another depth than the model's": (
        odd.tiff(odd.RAMP12 >> 2, t341=1023), TWELVE, "states values of 0 to 1023 .* not those of 0 to 4095"),
    "float TIFF without a range": (odd.tiff((odd.RAMP12 / 4095).astype(np.float32)), None, "32-bit pixels .float"),
    "float TIFF out of range": (odd.tiff(odd.RAMP12.astype(np.float32)), UNIT, "value 4095 outside of 0 to 1"),
    "float TIFF with NaN": (odd.tiff(np.full((4, 4), np.nan, np.float32)), UNIT, "values that are not finite"),
    "signed TIFF without a range": (odd.tiff(odd.RAMP12.astype(np.int16)), None, "16-bit pixels .signed"),
    "signed TIFF below its range": (odd.tiff(-odd.RAMP12.astype(np.int16)), TWELVE, "value -4095 outside"),
    "32-bit TIFF without a range": (odd.tiff(odd.RAMP16.astype(np.uint32)), None, "32-bit pixels .unsigned"),
    "unsigned 32-bit TIFF out of range": (
        odd.tiff(np.full((4, 4), 2**31 + 5, np.uint32)), TWELVE, r"value 2.14748e\+09 outside"),
    "signed TIFF of 8 bits": (odd.tiff(odd.RAMP8.astype(np.int8)), None, "signed samples of 8 bits"),
    "RGB TIFF of 16 bits in planes": (odd.tiff(odd.RGB16, planes=2), None, "channels of 16 bits in separate planes"),
    "grey with alpha TIFF of 16 bits": (
        odd.tiff(odd.RGB16[:, :, :2], photometric=1, t338=2), None, "2 channels of 16 bits that are not red"),
    "CMYK TIFF of 16 bits": (
        odd.tiff(rgba(65535, odd.RGB16), photometric=5), None, "4 channels of 16 bits that are not red"),
    "grey TIFF of 16 bits with white as 0": (odd.tiff(odd.RAMP16, photometric=0), None, "stores white as 0"),
    "float TIFF of 64 bits": (odd.tiff(odd.RAMP12 / 4095), UNIT, "float samples of 64 bits"),
    "float TIFF of 16 bits": (
        odd.tiff((odd.RAMP12 / 4095).astype(np.float16)), UNIT, "float samples of 16 bits"),
    "TIFF of 10 bits": (odd.tiff(odd.RAMP12, t258=10), None, "unsigned samples of 10 bits"),
    "TIFF of 5 channels": (
        odd.tiff(np.repeat(odd.RAMP8[:, :, None], 5, 2), t338=[0, 0]), None, "5 channels where 3"),
    "TIFF of 2 channels": (odd.tiff(odd.RGB8[:, :, :2], photometric=1, t338=0), None, "2 channels where 1"),
    "RGB TIFF with a fourth channel": (odd.tiff(rgba(255), t338=0), None, "4 channels where 3"),
    "CIELab TIFF": (odd.tiff(odd.RGB8, photometric=8), None, "colours that are not read .*8"),
    "TIFF of 3 pages": (
        odd.pillow(odd.RAMP8, "TIFF", save_all=True, append_images=[OTHER, OTHER]), None, "holds 3 frames or pages"),
    "animated PNG": (odd.pillow(odd.RGB8, "PNG", save_all=True, append_images=[OTHER]), None, "holds 2 frames"),
    "animated WebP": (odd.pillow(odd.RGB8, "WEBP", save_all=True, append_images=[OTHER]), None, "holds 2 frames"),
    "JPEG of two frames (MPO)": (
        odd.pillow(odd.RGB8, "MPO", save_all=True, append_images=[OTHER]), None, "holds 2 frames"),
    "RGBA PNG with a transparent pixel": (odd.pillow(half_transparent(), "PNG"), None, "1 transparent pixels"),
    "RGBA WebP with transparent pixels": (odd.pillow(rgba(9), "WEBP", lossless=True), None, "transparent pixels"),
    "palette PNG with transparency": (
        odd.pillow(PALETTE, "PNG", transparency=bytes(range(64))), None, "transparent pixels"),
    "PNG with a transparent colour": (odd.pillow(odd.RAMP8, "PNG", transparency=0), None, "transparent pixels"),
    "grey PNG of 16 bits with a transparent value": (
        odd.png(odd.RAMP16, (b"tRNS", b"\0\0")), None, "transparent pixels"),
    "RGB PNG of 16 bits with a transparent colour": (
        odd.png(odd.RGB16, (b"tRNS", b"\0\0\xff\xff\0\0")), None, "transparent pixels"),
    "RGBA PNG of 16 bits with transparency": (odd.png(rgba(65534, odd.RGB16)), None, "480 transparent pixels"),
    "RGBA TIFF of 16 bits with transparency": (odd.tiff(rgba(1, odd.RGB16), t338=2), None, "transparent pixels"),
    "TIFF with more rows by its header": (odd.tiff(odd.RAMP8, t257=16, t278=16), None, "more rows by its header"),
    "TIFF with fewer strips than its rows": (odd.tiff(odd.RAMP8, t278=4), None, "more rows by its header"),
    "PNG with more rows by its header": (odd.png(odd.RAMP8, rows=16), None, "fewer rows than its header"),
    "interlaced PNG without its last passes": (odd.png(odd.RGB8, passes=5), None, "fewer rows than its header"),
    "RGB PNG of 16 bits with more rows": (odd.png(odd.RGB16, rows=16), None, "cannot be decoded"),
    "cut-off RGB PNG of 16 bits": (odd.png(odd.RGB16)[:150], None, "cannot be decoded"),
    "cut-off RGB TIFF of 16 bits": (odd.tiff(odd.RGB16)[:-20], None, "cannot be decoded"),
    "cut-off JPEG": (odd.pillow(odd.RGB8, "JPEG")[:-200], None, "cannot be decoded"),
    "cut-off BMP": (odd.pillow(odd.RGB8, "BMP")[:-20], None, "cannot be decoded"),
    "no bytes": (b"", None, "not an image of PNG, JPEG"),
    "a web page": (b"<html>403</html>", None, "not an image of PNG, JPEG"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", None, "not an image of PNG, JPEG"),
    "GIF": (odd.pillow(odd.RAMP8, "GIF"), None, "not an image of PNG, JPEG"),
    "PGM": (odd.pillow(odd.RAMP8, "PPM"), None, "not an image of PNG, JPEG"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", None, "not an image of PNG, JPEG"),
}  # fmt: skip


def in_training(data, value_range):
    memory = fsspec.filesystem("memory")
    memory.pipe("/odd/part.png", data)
    sample = Sample("part", "part.png", "test", 0, "good")
    images = ImageCollection(memory, "/odd", "part", [sample], [], {}, value_range=value_range)
    return images.open_image("part.png")


def in_inspection(data, value_range):
    return read_image(data, "part.png", value_range=value_range)


def in_service(data, value_range):
    uploads = pytest.importorskip("reb_pipeline.service.uploads")
    from starlette.exceptions import HTTPException

    file = SimpleNamespace(file=io.BytesIO(data), filename="part.png")
    try:
        return uploads.decode(file, 10_000, value_range)
    except HTTPException as error:
        raise InputError(error.detail) from error


OPENED_BY = [in_training, in_inspection, in_service]


@pytest.mark.parametrize("opened", OPENED_BY)
@pytest.mark.parametrize("kind", READ)
def test_what_is_read(kind, opened):
    data, value_range, expected = READ[kind]
    found = opened(data, value_range)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("opened", OPENED_BY)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_in_one_sentence(kind, opened):
    data, value_range, reason = REFUSED[kind]
    with pytest.raises(InputError, match=f"^Image 'part.png'.*{reason}") as error:
        opened(data, value_range)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_colours_of_16_bits_are_turned_as_those_of_8(kind, orientation):
    if kind == "PNG":
        exif = with_exif(orientation).tobytes()[6:]
        deep, plain = (odd.png(pixels, (b"eXIf", exif)) for pixels in (odd.RGB16, odd.RGB8))
    else:
        deep, plain = (odd.tiff(pixels, t274=orientation) for pixels in (odd.RGB16, odd.RGB8))
    expected = upright(odd.RGB8, orientation)
    np.testing.assert_array_equal(read_image(plain, "x"), expected)
    assert np.abs(read_image(deep, "x").astype(int) - expected).max() <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_depth_keeps_what_8_bits_can_hold(bits):
    values = np.arange(2**bits, dtype=np.uint16).reshape(-1, 16)
    found = to_rgb(decode_image(odd.pillow(values, "PNG"), "x"), "x", ValueRange.of_depth(bits))
    np.testing.assert_array_equal(found, scaled(values, 2**bits - 1))
    assert len(np.unique(found)) == 256


def test_conversions_are_remarked():
    for data, remark in (
        (odd.pillow(odd.RGB8, "JPEG", exif=with_exif(3)), "upright"),
        (odd.pillow(rgba(255), "PNG"), "alpha"),
        (odd.png(rgba(65535, odd.RGB16)), "alpha"),
        (odd.pillow(PALETTE, "PNG"), "palette"),
        (odd.pillow(CMYK, "JPEG"), "CMYK"),
        (odd.pillow(BLACK_AND_WHITE, "PNG"), "1 bit"),
    ):
        (found,) = decode_image(data, "x").remarks
        assert remark in found
    assert decode_image(odd.pillow(odd.RGB8, "PNG"), "x").remarks == ()


@pytest.mark.parametrize(
    "kind",
    ["TIFF of 3 pages", "RGBA PNG with a transparent pixel", "EPS", "RGB TIFF of 16 bits in planes"],
)  # fmt: skip
def test_masks_are_read_by_the_same_rules(kind):
    memory = fsspec.filesystem("memory")
    memory.pipe("/odd/mask.png", REFUSED[kind][0])
    with pytest.raises(InputError, match=r"mask\.png"):
        ImageCollection(memory, "/odd", "part", [], [], {}).open_mask(["mask.png"])


def test_one_module_opens_files():
    package = Path(decoding.__file__).parents[1]
    opening = [
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if "Image.open(" in file.read_text()
    ]
    assert opening == ["images/decoding.py"]
