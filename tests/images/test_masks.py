"""Grey values of masks: labels of defects, smoothed two-level masks, and what cannot be right."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from reb_pipeline.images.masks import MASK_DOUBTS, defective_pixels, mask_doubts


def draw(shape: str, level: int = 255) -> Image.Image:
    image = Image.new("L", (160, 120))
    pen = ImageDraw.Draw(image)
    if shape == "rectangle":
        pen.rectangle((30, 20, 70, 60), fill=level)
    elif shape == "ellipse":
        pen.ellipse((30, 20, 90, 80), fill=level)
    else:
        pen.line((10, 10, 140, 100), fill=level, width=12)
    return image


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def resized(image: Image.Image, method: Image.Resampling) -> Image.Image:
    """Enlarged and made smaller again, as by an annotation tool with a zoom."""
    return image.resize((211, 157), method).resize(image.size, method)


SMOOTHINGS = {
    **{f"JPEG {quality}": lambda image, q=quality: jpeg(image, q) for quality in (30, 75, 95, 100)},
    "Gaussian 1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "Gaussian 2": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "box": lambda image: image.filter(ImageFilter.BoxBlur(1)),
    "bilinear": lambda image: resized(image, Image.Resampling.BILINEAR),
    "bicubic": lambda image: resized(image, Image.Resampling.BICUBIC),
}


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("shape", ["rectangle", "ellipse", "line"])
def test_smoothed_masks_keep_their_area(shape: str, smoothing: str) -> None:
    exact = np.asarray(draw(shape)) > 0
    grey = np.asarray(SMOOTHINGS[smoothing](draw(shape)))
    found = defective_pixels(grey)
    assert abs(found.sum() / exact.sum() - 1) < 0.06
    assert (grey > 0).sum() > found.sum()
    assert mask_doubts(grey, b"") == ["inexact_masks"]


LABELS = [
    [255], [1], [251],  # two-level masks, MVTec LOCO's regions
    [1, 2], [2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [3, 32],  # VisA's numbers of defects
    [64, 128], [85, 170, 255], [100, 255], [237, 251, 255], [50, 100, 150, 200, 250],
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32])
@pytest.mark.parametrize("labels", LABELS)
def test_every_label_counts(labels: list[int], dtype: type) -> None:
    grey = np.zeros((40, 40), dtype)
    for number, label in enumerate(labels):
        grey[3 * number : 3 * number + 2, 5 : 10 + number] = label
    assert np.array_equal(defective_pixels(grey), grey > 0)
    assert mask_doubts(grey, b"") == []


@given(st.integers(1, 2**16 - 1), st.floats(0.6, 3))
def test_the_limit_is_half_of_the_brightest_value(level: int, sigma: float) -> None:
    """Whatever the level of the two-level mask was, where grey values are more than numbers of defects."""
    mask = np.asarray(draw("ellipse")) > 0
    blurred = np.asarray(draw("ellipse").filter(ImageFilter.GaussianBlur(sigma))) / 255 * level
    grey = np.rint(blurred).astype(np.uint16)
    if level > 64:
        assert np.array_equal(defective_pixels(grey), grey > grey.max() / 2)
        assert abs(defective_pixels(grey).sum() / mask.sum() - 1) < 0.05


def test_bool_and_empty_masks() -> None:
    mask = np.zeros((4, 4), bool)
    assert not defective_pixels(mask).any()
    assert mask_doubts(mask, b"") == ["empty_masks"]
    mask[1, 1] = True
    assert np.array_equal(defective_pixels(mask), mask)
    assert mask_doubts(mask, b"") == []


def test_masks_that_cannot_be_right() -> None:
    hole = 255 - np.asarray(draw("ellipse"))
    assert mask_doubts(hole, b"") == ["inverted_masks"]
    assert mask_doubts(255 - np.asarray(draw("line")), b"") == ["inverted_masks"]
    assert mask_doubts(np.full((4, 4), 255, np.uint8), b"") == ["full_masks"]
    stain = np.zeros((40, 40), np.uint8)
    stain[:, :30] = 255  # a defect of three quarters
    assert mask_doubts(stain, b"") == []


def test_a_jpeg_is_named_even_if_its_values_happen_to_be_exact() -> None:
    file = io.BytesIO()
    square = np.zeros((64, 64), np.uint8)
    square[16:32, 16:32] = 255  # whole blocks of 8 x 8 pixels
    Image.fromarray(square).save(file, "JPEG", quality=95)
    grey = np.asarray(Image.open(file))
    assert np.array_equal(defective_pixels(grey), square > 0)
    assert mask_doubts(grey, file.getvalue()) == ["inexact_masks"]


def test_every_doubt_has_a_sentence() -> None:
    assert list(MASK_DOUBTS) == ["inexact_masks", "empty_masks", "full_masks", "inverted_masks"]
