"""Files of a folder that are not read are counted and named; nothing is waited for."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem

import miniatures
from archives import pack
from layout_cases import LAYOUTS, Layout
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.images import folder as image_folder
from reb_pipeline.images.collection import loose_images
from reb_pipeline.images.folder import NOT_READ, list_images, not_read_sentences
from reb_pipeline.images.inventory import audit, findings, take_inventory


@pytest.fixture
def unlistable(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder one that this user may not list; tests often run as a user who may list all."""
    closed: set[str] = set()
    ls = LocalFileSystem.ls

    def refuse(self: LocalFileSystem, path: str, *args: Any, **kwargs: Any) -> Any:
        if self._strip_protocol(path) in closed:
            raise PermissionError(13, "Permission denied", path)
        return ls(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", refuse)
    return lambda path: closed.add(str(path))


def write(path: Path, seed: int = 0) -> None:
    miniatures.write_image(path, miniatures.draw_part(seed)[0])


def messy(folder: Path) -> dict[str, list[str]]:
    """Put beside the images of a folder what is not read; returns it by kind."""
    for name in ("cam2_0.pgm", "late/cam2_1.PGM", "photo.HEIC"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"another format")
    for name in ("notes.txt", "late/Thumbs.db", "no_ending"):
        (folder / name).write_bytes(b"no image")
    for name in (".DS_Store", "._000.png"):
        (folder / name).write_bytes(b"hidden")
    write(folder / ".ipynb_checkpoints/000.png")
    return {
        "other_formats": ["cam2_0.pgm", "late/cam2_1.PGM", "photo.HEIC"],
        "hidden": ["._000.png", ".DS_Store", ".ipynb_checkpoints/"],
        "other_files": ["late/Thumbs.db", "no_ending", "notes.txt"],
    }


@pytest.mark.parametrize("where", ["disk", "memory", "zip", "tar"])
def test_all_else_in_a_folder_is_listed_by_kind(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "photos"
    miniatures.write_good(folder, 2)
    expected = messy(folder)
    address = {
        "disk": str,
        "memory": lambda path: miniatures.copy_to_memory(path, "photos"),
        "zip": lambda path: pack(path, "zip"),
        "tar": lambda path: pack(path, "tar", "photos"),
    }[where](folder)
    found = list_images(address)[1]
    assert found.images == ["000.png", "001.png"]
    assert found.not_read == {kind: sorted(paths) for kind, paths in expected.items()}
    assert list(found.not_read) == [kind for kind in NOT_READ if kind in expected]
    assert loose_images(address).not_read == found.not_read
    formats, hidden, others = not_read_sentences(found.not_read)
    assert formats.startswith(
        "3 image files are not read because of their format (.pgm 2, .heic 1)"
    )
    assert formats.endswith("first cam2_0.pgm")
    assert hidden.startswith("3 hidden ")
    assert others.startswith("3 files are not read")


def test_a_folder_of_another_format_says_so(tmp_path: Path) -> None:
    (tmp_path / "0.heic").write_bytes(b"")
    with pytest.raises(InputError, match=r"no image \(1 image files .* format \(.heic 1\)"):
        list_images(str(tmp_path))


def test_folders_and_links_that_cannot_be_opened(
    tmp_path: Path, unlistable: Callable[[Path], None]
) -> None:
    folder = tmp_path / "photos"
    write(folder / "shift1/a.png")
    write(folder / "shift2/b.png")
    write(folder / "shift3/night/c.png")
    (folder / "shift4").symlink_to(tmp_path / "not mounted")
    unlistable(folder / "shift2")
    unlistable(folder / "shift3/night")
    found = list_images(str(folder))[1]
    assert found.images == ["shift1/a.png"]
    assert found.not_read == {"unreadable_folders": ["shift2/", "shift3/night/", "shift4"]}
    unlistable(folder)
    with pytest.raises(InputError, match=r"cannot be listed .*Permission denied"):
        list_images(str(folder))


def test_links_to_folders_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/b.png")
    write(tmp_path / "photos/a.png")
    (tmp_path / "photos/day").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/again").symlink_to(tmp_path / "photos")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "elsewhere")
    found = list_images(str(tmp_path / "photos"))[1]
    assert found.images == ["a.png", "day/b.png"]
    assert found.not_read == {}


def special_files(folder: Path) -> dict[str, str]:
    """Make files that cannot be read as images; returns what is said of each."""
    os.mkfifo(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nowhere.png")
    with (folder / "giant.png").open("wb") as file:
        file.truncate(2**40)  # takes no space
    address = os.path.relpath(folder / "socket.png")  # a socket's name is at most 107 bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(address)
    return {
        "pipe.png": "no regular file",
        "device.png": "no regular file",
        "socket.png": "no regular file",
        "gone.png": "No such file",
        "giant.png": "bytes, more than the 1,073,741,824",
    }


def test_special_files_are_unreadable_images(tmp_path: Path) -> None:
    folder = tmp_path / "bolt/good"
    miniatures.write_good(folder, 5)
    reasons = special_files(folder)
    for images in (
        loose_images(str(folder)),
        datasets.PlainFolderDataset(path=tmp_path, category="bolt").load(),
    ):
        inventory = take_inventory(images, "images")
        report = audit(inventory, images.stray_masks, not_read=images.not_read)
        unreadable = {Path(path).name: error for path, error in report["unreadable"].items()}
        assert unreadable.keys() == reasons.keys()
        for name, reason in reasons.items():
            assert reason in unreadable[name]
        assert report["not_read"] == {}


def test_the_depth_of_images_is_inferred_beside_special_files(tmp_path: Path) -> None:
    folder = tmp_path / "bolt/train/good"
    folder.mkdir(parents=True)
    for name in ("a.png", "z.png"):
        miniatures.write_image(folder / name, np.full((8, 8), 4000, np.uint16))
    special_files(folder)
    images = datasets.MVTecADDataset(path=tmp_path, category="bolt").load()
    assert images.value_range is not None
    assert images.value_range.high == 4095


def test_the_largest_file_is_one_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.png")
    size = (tmp_path / "a.png").stat().st_size
    images = loose_images(str(tmp_path))
    monkeypatch.setattr(image_folder, "MAX_FILE_BYTES", size)
    assert len(images.read("a.png")) == size
    monkeypatch.setattr(image_folder, "MAX_FILE_BYTES", size - 1)
    with pytest.raises(InputError, match="more than"):
        images.read("a.png")


FOLDERS = [layout for layout in LAYOUTS if not layout.is_packed]
# A place in each layout's folder where it does not look.
ELSEWHERE = {
    "MVTecADDataset": "screw/train/good/tuesday",
    "MVTecLOCODataset": "pushpins/train/bad",
    "BTADDataset": "01/test",
    "VisADataset": "candle/Data/Images/Normal",
    "MagneticTileDataset": "MT_Crack",
    "ELPVDataset": "images",
    "PlainFolderDataset": "bolt/scratch/tuesday",
    "CSVListDataset": "photos/tuesday",
    "LookoutForVisionDataset": "gasket/tuesday",
    "AnomalibFolderDataset": "valve/tuesday",
}
UNLABELED = {"CSVListDataset", "LookoutForVisionDataset"}  # their lists know no images but those


@pytest.mark.parametrize("layout", FOLDERS, ids=lambda layout: layout.dataset)
def test_every_layout_names_what_it_does_not_read(layout: Layout, tmp_path: Path) -> None:
    root = layout.make(tmp_path / "data")
    before = layout.build(root).load()
    assert set(before.not_read) <= {"hidden", "other_files", "unlabeled"}  # strays of the miniature
    place = ELSEWHERE[layout.dataset]
    write(root / place / "unseen.png")
    (root / place / "unseen.heic").write_bytes(b"")
    (root / place / ".unseen.png").write_bytes(b"")
    (root / place / "unseen.txt").write_bytes(b"")
    images = layout.build(root).load()
    assert images.samples == before.samples
    new = {
        kind: sorted(set(paths) - set(before.not_read.get(kind, ())))
        for kind, paths in images.not_read.items()
    }
    outside = "unlabeled" if layout.dataset in UNLABELED else "outside_layout"
    assert new == {
        "other_formats": [f"{place}/unseen.heic"],
        outside: [f"{place}/unseen.png"],
        "hidden": [f"{place}/.unseen.png"],
        "other_files": [f"{place}/unseen.txt"],
    }
    inventory = take_inventory(images, "images")
    report = audit(inventory, images.stray_masks, not_read=images.not_read)
    assert report["not_read"] == images.not_read
    said = findings(report)
    assert any(NOT_READ[outside] in line for line in said)
    assert any(".heic 1" in line for line in said)
    assert images.without("train").not_read == images.not_read


def test_the_package_of_the_default_images_has_nothing_unread() -> None:
    assert datasets.ELPVDataset(category="mono").load().not_read == {}


@pytest.mark.parametrize("layout", FOLDERS, ids=lambda layout: layout.dataset)
def test_a_folder_of_the_layout_that_cannot_be_listed_is_refused(
    layout: Layout, tmp_path: Path, unlistable: Callable[[Path], None]
) -> None:
    if not layout.good_folder:
        pytest.skip("its table, not a folder, names the images")
    root = layout.make(tmp_path / "data")
    unlistable(root / layout.good_folder)
    with pytest.raises(InputError, match=r"cannot be listed \(.*Permission denied.*: allow"):
        layout.build(root).load()


def test_a_defect_folder_or_a_part_of_good_that_cannot_be_listed(
    tmp_path: Path, unlistable: Callable[[Path], None]
) -> None:
    root = miniatures.make_plain_folder(tmp_path)
    write(root / "bolt/good/tuesday/0.png")
    unlistable(root / "bolt/good/tuesday")
    images = datasets.PlainFolderDataset(path=root, category="bolt").load()
    assert images.not_read == {"unreadable_folders": ["bolt/good/tuesday/"]}
    unlistable(root / "bolt/dark_spot")
    with pytest.raises(InputError, match=r"bolt/dark_spot' cannot be listed"):
        datasets.PlainFolderDataset(path=root, category="bolt").load()


def test_without_good_images_the_refusal_names_what_is_there(tmp_path: Path) -> None:
    miniatures.write_good(tmp_path / "bolt/fine", 3)
    with pytest.raises(InputError, match=r"no good training images .*\(3 .*bolt/fine 3"):
        datasets.PlainFolderDataset(path=tmp_path, category="bolt").check()


def test_equal_pixels_are_found_whatever_the_file(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_ad(tmp_path)
    grey = miniatures.draw_part(0)[0][:, :, 0]
    miniatures.write_image(root / "screw/train/good/a.png", grey)
    miniatures.write_image(root / "screw/test/good/b.bmp", np.repeat(grey[:, :, None], 3, 2))
    miniatures.write_image(root / "screw/test/good/c.png", np.ascontiguousarray(grey.T))
    deep = grey.astype(np.uint16) * 257
    miniatures.write_image(root / "screw/train/good/d.png", deep)
    deep[0, 0] += 1  # the same in 8 bits
    miniatures.write_image(root / "screw/test/good/e.png", deep)
    images = datasets.MVTecADDataset(path=root, category="screw").load()
    report = audit(take_inventory(images, "images"), [])
    pair = ["screw/test/good/b.bmp", "screw/train/good/a.png"]
    assert [sorted(group) for group in report["duplicates"]] == [pair]
    assert [sorted(group) for group in report["duplicates_between_splits"]] == [pair]
    said = [line for line in findings(report) if "of these groups stretch over several" in line]
    assert said[0].endswith("first screw/train/good/a.png = screw/test/good/b.bmp")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_or_two_training_images_are_named(tmp_path: Path, count: int) -> None:
    miniatures.write_good(tmp_path / "bolt/train/good", count)
    images = datasets.MVTecADDataset(path=tmp_path, category="bolt").load()
    said = findings(audit(take_inventory(images, "images"), []))
    assert any(f"only {count} good training images" in line for line in said) == (count < 3)
    assert any("no good test images: no image metric" in line for line in said)
    assert any("no anomalous test images: no metric" in line for line in said)


def test_an_inventory_without_hashes_of_pixels_is_refused(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_ad(tmp_path)
    images = datasets.MVTecADDataset(path=root, category="screw").load()
    inventory = take_inventory(images, "images").drop(columns="pixels_sha256")
    with pytest.raises(InputError, match="run the pipeline ingestion again"):
        audit(inventory, [])
