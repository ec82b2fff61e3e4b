"""A picture costs what it shows: the size that images are shown at, and how much of a file is decoded for it."""

import io

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.images import collection, decoding
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.decoding import DecodedImage, decode_image
from reb_pipeline.images.masks import defective_pixels
from reb_pipeline.images.shown import LONGEST_ASPECT, SHOWN_SIDE, is_compressed, shown, shown_shape

SIDES = st.integers(1, 20_000)


def photo(height, width):
    """Smooth colours with a dark spot."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([255 * y / height, 255 * x / width, np.full_like(x, 90)], axis=2)
    pixels[height // 3 : height // 2, width // 3 : width // 2] = 20
    return pixels.astype(np.uint8)


def saved(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def folder_of(tmp_path, **files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return ImageCollection(fsspec.filesystem("file"), str(tmp_path), "bolt", [], [], {})


@given(SIDES, SIDES, st.integers(1, 2000))
def test_shown_images_are_small_keep_their_aspect_and_are_never_endless(height, width, side):
    high, wide = shown_shape(height, width, side)
    assert shown_shape(width, height, side) == (wide, high)
    assert max(high, wide) <= min(side, max(height, width))
    assert min(high, wide) >= 1
    # Half a pixel of rounding on both sides.
    longest, shortest = max(high, wide), min(high, wide)
    assert longest - 0.5 <= LONGEST_ASPECT * (shortest + 0.5)
    if not is_compressed(height, width) and shortest > 1:
        assert abs(high * width - wide * height) <= 0.5 * (height + width) + 1e-6


def test_an_image_that_is_small_enough_is_shown_as_it_is():
    image = photo(48, 64)
    assert shown(image) is image


def test_a_pixel_is_the_mean_of_those_that_it_stands_for():
    image = photo(64, 96)
    means = image.reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    assert np.abs(shown(image, 24).astype(float) - means).max() <= 1


@pytest.mark.parametrize(
    ("shape", "decoded"),
    [((3000, 4000), (750, 1000)), ((1250, 55), (1250, 55)), ((300, 400), (300, 400))],
)
@pytest.mark.parametrize("grey", [False, True])
def test_of_a_jpeg_no_more_is_decoded_than_is_shown(shape, decoded, grey):
    pixels = photo(*shape)
    data = saved(pixels[..., 0] if grey else pixels, "JPEG", quality=95)
    image = decode_image(data, "'a'", side=SHOWN_SIDE).pixels
    assert image.shape[:2] == decoded
    whole = decode_image(data, "'a'").pixels
    assert whole.shape[:2] == shape
    # Edges of 8 x 8 pixels are filtered otherwise.
    apart = np.abs(shown(image).astype(int) - shown(whole))
    assert apart.mean() < 1


def test_a_turned_photo_is_decoded_at_its_size_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    images = folder_of(tmp_path, **{"a.jpg": saved(photo(2400, 3200), "JPEG", exif=exif)})
    assert images.decode("a.jpg", images.read("a.jpg"), 100).pixels.shape == (400, 300, 3)
    assert images.open_shown("a.jpg", side=100).shape == (100, 75, 3)


def test_every_kind_of_file_is_shown_at_its_size(tmp_path):
    pixels, deep = photo(600, 900), (photo(600, 900)[..., 0].astype(np.uint16) * 257)
    images = folder_of(
        tmp_path,
        **{
            "a.png": saved(pixels, "PNG"), "b.tif": saved(pixels, "TIFF"), "c.bmp": saved(pixels, "BMP"),
            "d.webp": saved(pixels, "WEBP", lossless=True), "e.png": saved(deep, "PNG"),
        },
    )  # fmt: skip
    expected = shown(pixels, 90)
    for path in ("a.png", "b.tif", "c.bmp", "d.webp"):
        np.testing.assert_array_equal(images.open_shown(path, side=90), expected)
    assert (
        np.abs(images.open_shown("e.png", side=90)[..., 0].astype(int) - expected[..., 0]).max()
        <= 1
    )


def test_another_file_under_the_same_name_is_not_shown(tmp_path):
    images = folder_of(tmp_path, **{"a.png": saved(photo(40, 60), "PNG")})
    with pytest.raises(InputError, match="SHA-256 differs"):
        images.open_shown("a.png", "0" * 64)


def test_a_preview_decodes_thumbnails_only(tmp_path, monkeypatch):
    for split in ("train/good", "test/good", "test/scar"):
        (tmp_path / "bolt" / split).mkdir(parents=True)
        (tmp_path / "bolt" / split / "0.jpg").write_bytes(saved(photo(3000, 4000), "JPEG"))
    decoded = []

    def counted(*arguments, **options) -> DecodedImage:
        image = decoding.decode_image(*arguments, **options)
        decoded.append(image.pixels.size // 3)
        return image

    monkeypatch.setattr(collection, "decode_image", counted)
    MVTecADDataset(path=str(tmp_path), category="bolt").preview()
    assert decoded == [375 * 500] * 3


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_masks_of_bytes_are_read_as_those_of_wider_numbers(values):
    grey = np.array([values])
    np.testing.assert_array_equal(defective_pixels(grey.astype(np.uint8)), defective_pixels(grey))
