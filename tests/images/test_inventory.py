"""Inventory and audit of miniatures that are damaged on purpose."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

import miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import EMPTY, from_text
from reb_pipeline.images.inventory import audit, findings, take_inventory, usable_samples
from reb_pipeline.images.samples import good_finetuning, good_training, held_out_good

IMAGES = miniatures.TRAIN_GOOD + miniatures.TEST_GOOD + len(miniatures.DEFECTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return miniatures.make_mvtec_ad(tmp_path, "screw") / "screw"


def look(folder: Path) -> tuple[pd.DataFrame, dict]:
    images = datasets.MVTecADDataset(path=folder.parent, category=folder.name).load()
    inventory = take_inventory(images, "images")
    report = audit(inventory, images.stray_masks)
    json.dumps(report)  # as the catalog saves it
    return inventory, report


def test_a_sound_category(folder: Path) -> None:
    inventory, report = look(folder)
    assert len(inventory) == report["images"] == IMAGES
    assert report["counts"] == {
        "test/bright_spot": 1, "test/dark_spot": 2, "test/good": 3, "train/good": 8,
    }  # fmt: skip
    assert report["sizes"] == {"64x64": IMAGES}
    assert report["modes"] == {"RGB": IMAGES}
    assert report["has_masks"]
    assert findings(report) == []
    samples = usable_samples(inventory, 0.0)
    assert samples["id"].tolist() == inventory["id"].tolist()
    assert samples["mask_paths"].tolist() == inventory["mask_paths"].tolist()
    assert not {"error", "mask_error"} & set(samples)
    assert len(good_training(samples)) == 8
    masks = inventory.set_index("path").loc["screw/test/dark_spot/000.png"]
    assert (masks["mask_width"], masks["mask_height"]) == (64, 64)
    assert masks["mask_pixels"] == miniatures.draw_part(200, "dark_spot")[1].sum()


def cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def write_text(file: Path) -> None:
    file.write_text("no image at all")


def write_float(file: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(file, format="TIFF")


@pytest.mark.parametrize("damage", [cut_in_half, write_text, write_float])
def test_unreadable_images_are_left_out(folder: Path, damage: Callable[[Path], None]) -> None:
    broken = "screw/train/good/003.png"
    damage(folder.parent / broken)
    inventory, report = look(folder)
    assert list(report["unreadable"]) == [broken]
    assert broken in report["unreadable"][broken]
    assert findings(report) == [f"1 unreadable images are left out, first {broken}"]
    samples = usable_samples(inventory, 0.1)
    assert len(samples) == IMAGES - 1
    assert broken not in set(samples["path"])
    with pytest.raises(InputError, match=r"1 of 14 images \(7.1%\).* = 5.0%; the first: .*003.png"):
        usable_samples(inventory, 0.05)


def test_no_readable_good_training_image(folder: Path) -> None:
    for file in (folder / "train/good").glob("0*.png"):
        write_text(file)
    inventory, report = look(folder)
    assert report["empty_classes"] == ["good training"]
    assert "no good training images" in findings(report)
    with pytest.raises(InputError, match="No readable good training image is left"):
        usable_samples(inventory, 1.0)


def test_duplicates_within_and_between_splits(folder: Path) -> None:
    first = (folder / "train/good/000.png").read_bytes()
    (folder / "test/good/001.png").write_bytes(first)
    second = (folder / "train/good/004.png").read_bytes()
    (folder / "train/good/005.png").write_bytes(second)
    _, report = look(folder)
    between = ["screw/test/good/001.png", "screw/train/good/000.png"]
    within = ["screw/train/good/004.png", "screw/train/good/005.png"]
    assert sorted(map(sorted, report["duplicates"])) == [between, within]
    assert list(map(sorted, report["duplicates_between_splits"])) == [between]
    assert len(findings(report)) == 2


def test_masks_that_cannot_be_used(folder: Path) -> None:
    truth = folder / "ground_truth"
    miniatures.write_mask(truth / "dark_spot/000_mask.png", np.ones((32, 64), bool))
    cut_in_half(truth / "dark_spot/001_mask.png")
    miniatures.write_mask(truth / "bright_spot/002_mask.png", np.zeros((64, 64), bool))
    miniatures.write_mask(truth / "bright_spot/999_mask.png", np.ones((64, 64), bool))
    inventory, report = look(folder)
    assert report["masks_of_another_size"] == ["screw/test/dark_spot/000.png"]
    assert list(report["unreadable_masks"]) == ["screw/test/dark_spot/001.png"]
    assert "001_mask.png" in report["unreadable_masks"]["screw/test/dark_spot/001.png"]
    assert report["empty_masks"] == ["screw/test/bright_spot/002.png"]
    assert report["masks_without_image"] == ["screw/ground_truth/bright_spot/999_mask.png"]
    assert report["unreadable"] == {}
    assert len(findings(report)) == 4
    samples = usable_samples(inventory, 0.0).set_index("path")
    assert len(samples) == IMAGES
    assert samples.loc["screw/test/dark_spot/000.png", "mask_paths"] == EMPTY
    assert samples.loc["screw/test/dark_spot/001.png", "mask_paths"] == EMPTY
    assert len(from_text(samples.loc["screw/test/bright_spot/002.png", "mask_paths"])) == 1


def test_masks_that_may_not_be_what_they_seem(folder: Path) -> None:
    truth = folder / "ground_truth"
    exact = np.asarray(Image.open(truth / "dark_spot/000_mask.png"))
    smooth = Image.fromarray(exact).filter(ImageFilter.GaussianBlur(1))
    smooth.save(truth / "dark_spot/000_mask.png")
    (truth / "dark_spot/001_mask.png").unlink()
    miniatures.write_mask(truth / "dark_spot/001_mask.jpg", np.ones((64, 64), bool))
    inverted = np.asarray(Image.open(truth / "bright_spot/002_mask.png")) == 0
    miniatures.write_mask(truth / "bright_spot/002_mask.png", inverted)
    inventory, report = look(folder)
    paths = [f"screw/test/{name}.png" for name in ("dark_spot/000", "dark_spot/001")]
    assert report["inexact_masks"] == paths
    assert report["full_masks"] == paths[1:]
    assert report["inverted_masks"] == ["screw/test/bright_spot/002.png"]
    assert report["empty_masks"] == []
    assert len(findings(report)) == 3
    pixels = inventory.set_index("path")["mask_pixels"]
    assert abs(pixels[paths[0]] - (exact > 0).sum()) <= 4
    assert len(usable_samples(inventory, 0.0)) == IMAGES
    old = inventory.drop(columns="mask_doubts")
    for refuses in (lambda: audit(old, []), lambda: usable_samples(old, 0.0)):
        with pytest.raises(InputError, match="run the pipeline ingestion again"):
            refuses()


def test_images_without_a_mask(folder: Path) -> None:
    (folder / "ground_truth/dark_spot/001_mask.png").unlink()
    _, report = look(folder)
    assert report["without_mask"] == ["screw/test/dark_spot/001.png"]
    for file in (folder / "ground_truth").rglob("*.png"):
        file.unlink()
    _, report = look(folder)
    assert not report["has_masks"]
    assert report["without_mask"] == []
    assert findings(report) == []


def test_other_sizes_and_modes(folder: Path) -> None:
    miniatures.write_image(folder / "train/good/000.png", np.zeros((64, 64), np.uint8))
    miniatures.write_image(folder / "train/good/001.png", np.zeros((30, 50, 3), np.uint8))
    _, report = look(folder)
    assert report["sizes"] == {"64x64": IMAGES - 1, "50x30": 1}
    assert report["modes"] == {"RGB": IMAGES - 1, "L": 1}
    assert findings(report) == [
        f"2 different sizes: 64x64 ({IMAGES - 1}), 50x30 (1)",
        f"2 different modes: RGB ({IMAGES - 1}), L (1)",
    ]


def test_empty_classes(folder: Path) -> None:
    for file in [*(folder / "test").rglob("*.png"), *(folder / "ground_truth").rglob("*.png")]:
        file.unlink()
    inventory, report = look(folder)
    assert report["empty_classes"] == ["good test", "anomalous test"]
    good, anomalous = findings(report)
    assert good.startswith("no good test images: no image metric")
    assert anomalous.startswith("no anomalous test images: no metric")
    assert len(usable_samples(inventory, 0.0)) == miniatures.TRAIN_GOOD


def test_plain_folder_after_a_round_trip_through_parquet(tmp_path: Path) -> None:
    """Parquet gives lists of masks back as arrays."""
    root = miniatures.make_plain_folder(tmp_path)
    images = datasets.PlainFolderDataset(path=root, category="bolt").load()
    inventory = take_inventory(images, "images")
    inventory.to_parquet(tmp_path / "inventory.parquet")
    again = pd.read_parquet(tmp_path / "inventory.parquet")
    report = audit(again, images.stray_masks)
    assert report == audit(inventory, images.stray_masks)
    assert report["without_mask"] == ["bolt/bright_spot/002.png"]
    one, other = (usable_samples(table, 0.0) for table in (inventory, again))
    assert one["mask_paths"].tolist() == other["mask_paths"].tolist()


def samples_of(**counts: int) -> pd.DataFrame:
    """So many good images of each split, numbered through, an anomalous one at the end of each."""
    rows = [
        {"split": split, "label": int(index == count)}
        for split, count in counts.items()
        for index in range(count + 1)
    ]
    return pd.DataFrame(rows).assign(id=lambda table: [f"image {i}" for i in table.index])


@pytest.mark.parametrize(
    ("counts", "held_out", "finetuning"),
    [
        ({"train": 25, "calibration": 2, "test": 3}, [26, 27], range(25)),
        ({"train": 25, "test": 3}, [0, 10, 20], sorted({*range(25)} - {0, 10, 20})),
        ({"train": 10, "calibration": 0}, [0], range(1, 10)),
        ({"train": 2}, [0], [1]),
        ({"train": 1, "test": 1}, [0], [0]),  # the only one is for both
        ({"train": 1, "calibration": 1}, [2], [0]),
    ],
)
def test_good_images_held_out_from_finetuning(
    counts: dict[str, int], held_out: list[int], finetuning: list[int]
) -> None:
    samples = samples_of(**counts)
    for rows, expected in (
        (held_out_good(samples), held_out),
        (good_finetuning(samples), finetuning),
    ):
        assert rows["id"].tolist() == [f"image {number}" for number in expected]
        assert (rows["label"] == 0).all()
    assert len(good_training(samples)) == counts["train"]  # the memory bank takes all of them


def test_copies_do_not_calibrate() -> None:
    samples = samples_of(train=3, calibration=4, test=1)
    samples["pixels_sha256"] = [*"abc", "bad", *"beef", "bad", *"gh"]
    is_calibration = (samples["split"] == "calibration") & (samples["label"] == 0)
    expected = samples[is_calibration & ~samples["pixels_sha256"].isin(["a", "b", "c"])]
    expected = expected.drop_duplicates("pixels_sha256")
    assert 0 < len(expected) < is_calibration.sum()
    assert held_out_good(samples)["id"].tolist() == expected["id"].tolist()
    only_copies = samples.assign(pixels_sha256="a")
    assert (held_out_good(only_copies)["split"] == "train").all()
