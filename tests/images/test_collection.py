"""Opening images and masks of every kind, and saying why one cannot be opened."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import miniatures
from reb_pipeline import datasets
from reb_pipeline.images.collection import ImageCollection, UnreadableImageError


@pytest.fixture
def collection(tmp_path: Path) -> ImageCollection:
    root = miniatures.make_plain_folder(tmp_path)
    return datasets.PlainFolderDataset(path=root, category="bolt").load()


def save(image: Image.Image, tmp_path: Path, name: str = "x.png", **args: Any) -> str:
    image.save(tmp_path / name, **args)
    return name


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bits_are_scaled(collection: ImageCollection, tmp_path: Path, name: str) -> None:
    grey = np.array([[0, 257, 25700, 65535]], np.uint16)
    path = save(Image.fromarray(grey), tmp_path, name)
    assert collection.open_image(path)[0, :, 1].tolist() == [0, 1, 100, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_other_modes_become_rgb(collection: ImageCollection, tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode)
    path = save(image, tmp_path, "x.tif")
    assert collection.open_image(path).tolist() == [[[255, 255, 255]] * 3] * 2


def test_an_address_is_opened_by_any_collection(
    collection: ImageCollection, tmp_path: Path
) -> None:
    elsewhere = miniatures.copy_to_memory(tmp_path / "bolt/good", "elsewhere")
    pixels = collection.open_image("bolt/good/000.png")
    for url in (collection.address("bolt/good/000.png"), f"{elsewhere}/000.png"):
        assert "://" in url
        np.testing.assert_array_equal(collection.open_image(url), pixels)
    for gone in ("memory:///elsewhere/gone.png", "nothing://elsewhere/000.png"):
        with pytest.raises(UnreadableImageError, match="cannot be read"):
            collection.open_image(gone)


def test_exif_orientation_is_honoured(collection: ImageCollection, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(Image.new("RGB", (8, 4)), tmp_path, "x.jpg", exif=exif)
    assert collection.open_image(path).shape == (8, 4, 3)


def test_mask_of_a_palette_and_of_rgba(collection: ImageCollection, tmp_path: Path) -> None:
    mask = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    mask.putpixel((1, 0), (0, 0, 1, 255))
    assert collection.open_mask([save(mask, tmp_path)]).tolist() == [[False, True, False]]
    white_first = mask.convert("RGB").quantize(2)
    assert collection.open_mask([save(white_first, tmp_path)]).sum() == 1


def test_unreadable_images_say_why(collection: ImageCollection, tmp_path: Path) -> None:
    whole = (tmp_path / "bolt/good/000.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no image")
    save(Image.new("F", (2, 2)), tmp_path, "float.tif")
    for name, message in (
        ("cut.png", "cannot be decoded"),
        ("text.png", "cannot be decoded"),
        ("gone.png", "cannot be read"),
        ("float.tif", "32-bit pixels"),
    ):
        with pytest.raises(UnreadableImageError, match=f"{re.escape(name)}'.*{message}"):
            collection.open_image(name)


def test_masks_of_different_sizes(collection: ImageCollection, tmp_path: Path) -> None:
    small = save(Image.new("L", (2, 2)), tmp_path, "small.png")
    large = save(Image.new("L", (4, 4)), tmp_path, "large.png")
    for paths in ([small, large], []):
        with pytest.raises(UnreadableImageError, match="not one or more of the same size"):
            collection.open_mask(paths)
