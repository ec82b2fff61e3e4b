"""Images in every form are the same pixels; what is none is refused in a sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.opening import open_image
from reb_pipeline.images.value_range import ValueRange

PART = draw_part(0)[0]
GREY = PART[:, :, 0]
TWELVE = ValueRange.of_depth(12)


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "a part.png"
    Image.fromarray(PART).save(path)
    return path


def test_a_file_by_its_path_its_url_or_its_bytes(file):
    for given in (file, str(file), "~/a part.png", file.as_uri().replace("%20", " ")):
        np.testing.assert_array_equal(open_image(given), PART)
    for given in (file.read_bytes(), bytearray(file.read_bytes()), memoryview(file.read_bytes())):
        np.testing.assert_array_equal(open_image(given), PART)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "CMYK", "I;16"])
def test_a_pillow_image_as_its_file(mode):
    image = Image.fromarray(np.uint16(GREY) * 16) if mode == "I;16" else Image.fromarray(PART)
    image = image.convert(mode)
    file = png(image.convert("RGB") if mode == "CMYK" else image)
    expected = open_image(file, TWELVE)
    np.testing.assert_array_equal(open_image(image, TWELVE), expected)


def test_a_pillow_image_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PART).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        np.testing.assert_array_equal(open_image(image), np.rot90(PART, -1))


@pytest.mark.parametrize("shape", [GREY.shape, (*GREY.shape, 1)])
def test_grey_arrays_of_8_and_16_bits(shape):
    grey = GREY.reshape(shape)
    expected = np.repeat(GREY[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(open_image(grey), expected)
    np.testing.assert_array_equal(open_image(np.uint16(grey) * 257), expected)


def test_colours_of_16_bits_in_the_range_that_was_learnt():
    deep = np.uint16(PART) * 16
    np.testing.assert_array_equal(open_image(deep, TWELVE), TWELVE.to_bytes(deep))
    with pytest.raises(InputError, match="outside of 0 to 4095"):
        open_image(deep + 4096, TWELVE)
    with pytest.raises(InputError, match="whose range is unknown"):
        open_image(deep)


def test_rgb_of_8_bits_is_not_copied():
    assert open_image(PART) is PART


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), bool),
        None,
        7,
        [[1, 2], [3, 4]],
    ],
)
def test_what_is_no_image(image):
    with pytest.raises(InputError, match=r"An image to inspect must be .*: convert it\.$"):
        open_image(image)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("gone.png", r"'gone.png' cannot be read .*: correct the path"),
        (".", r"'.' cannot be read .*folder"),
        (b"no image", "is not an image of PNG"),
        (Image.new("RGBA", (4, 4)), "16 transparent pixels"),
    ],
)
def test_what_cannot_be_read(given, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=sentence):
        open_image(given)
