"""A folder is inspected once, whatever happens in between, and bad files stop nothing."""

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from fake_inspector import FakeInspector, make_calibration, part, write_folder, write_part
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from archives import pack
from miniatures import copy_to_memory
from plain_tables import check_plain
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import EMPTY, from_text
from reb_pipeline.images.folder import list_images, read_file
from reb_pipeline.inspection import steps
from reb_pipeline.inspection.folder import (
    inspect_folder,
    not_inspected,
    parquet_of,
    rows_of,
    summary_of,
    table_of,
)


@pytest.fixture
def photos(tmp_path):
    return write_folder(tmp_path / "photos")


@pytest.fixture
def files(tmp_path):
    return fsspec.get_mapper(str(tmp_path / "out"))


def test_table_has_a_row_an_image(photos, files):
    inspector = FakeInspector()
    inspected = inspect_folder(inspector, str(photos), files)
    table = table_of(inspected).set_index("path")

    assert list(table.index) == sorted(table.index)
    assert table["verdict"].value_counts().to_dict() == {
        "good": 5, "defective": 3, "unreadable": 1
    }  # fmt: skip
    readable = table[table["error"] == ""]
    np.testing.assert_array_equal(
        readable["verdict"] == "defective", readable["image_score"] > inspector.image_threshold
    )
    np.testing.assert_allclose(
        readable["p_value"], inspector.calibration.p_values(readable["image_score"])
    )
    areas = table.loc[[f"line 2/bad{n}.png" for n in range(3)], "defect_area"]
    assert areas.is_monotonic_increasing
    boxes = json.loads(table.loc["line 2/bad1.png", "boxes"])
    assert len(boxes) == 1
    assert np.abs(np.array(boxes[0]) - [36, 12, 24, 24]).max() <= 2
    assert all(Path(files.root, overlay).is_file() for overlay in readable["overlay"])
    assert readable["overlay"].is_unique
    image = np.asarray(Image.open(photos / "good 0.png"))
    features = np.array(from_text(table.loc["good 0.png", "mean_features"]), np.float32)
    np.testing.assert_array_equal(features, FakeInspector().inspect(image).mean_features)
    assert table.loc["broken.png", "mean_features"] == EMPTY
    assert pd.to_datetime(table["time"]).dt.tz is not None
    assert (
        summary_of(inspected)
        == "9 images inspected: 5 good, 3 defective, 0 undecided, 1 unreadable."
    )


def test_unreadable_image_says_why(photos, files, tmp_path):
    (photos / "empty.png").touch()
    (photos / "gone.png").symlink_to("nowhere.png")
    table = table_of(inspect_folder(FakeInspector(), str(photos), files)).set_index("path")
    bad = table.loc[["broken.png", "empty.png", "gone.png"]]
    assert (bad["verdict"] == "unreadable").all()
    assert bad["image_score"].isna().all()
    assert bad["error"].str.contains("broken.png|empty.png|gone.png|nowhere.png").all()
    table.to_parquet(tmp_path / "table.parquet")


def test_folder_without_any_readable_image(tmp_path, files):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/broken.png").write_bytes(b"no image")
    inspected = inspect_folder(FakeInspector(), str(tmp_path / "photos"), files)
    table = table_of(inspected)
    table.to_parquet(tmp_path / "table.parquet")
    assert table["image_score"].dtype == np.float64
    assert (
        summary_of(inspected)
        == "1 image inspected: 0 good, 0 defective, 0 undecided, 1 unreadable."
    )


def test_table_survives_parquet(photos, files, tmp_path):
    (photos / "broken.png").write_bytes(b"")
    inspected = inspect_folder(FakeInspector(), str(photos), files)
    table = table_of(inspected)
    table.to_parquet(tmp_path / "table.parquet", index=False)
    for file in (tmp_path / "table.parquet", io.BytesIO(parquet_of(rows_of(inspected)))):
        pd.testing.assert_frame_equal(pd.read_parquet(file), table, check_dtype=False)
    check_plain(table)


def test_parquet_is_written_without_pandas():
    program = (
        "import sys\n"
        "from reb_pipeline.inspection.folder import parquet_of\n"
        "parquet_of([{'path': '2026-11-30T10:00', 'image_score': None, 'defect_area': 3}])\n"
        "print('pandas' in sys.modules)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "False"


def test_interrupted_run_goes_on(photos, files):
    with pytest.raises(KeyboardInterrupt):
        inspect_folder(FakeInspector(stop_after=3), str(photos), files)
    rest = FakeInspector()
    inspected = inspect_folder(rest, str(photos), files)
    assert rest.inspected == 5

    again = FakeInspector()
    repeated = inspect_folder(again, str(photos), files)
    assert again.inspected == 0
    known = [(one.row, two.row) for one, two in zip(inspected, repeated, strict=True) if one.key]
    assert len(known) == 8
    assert all(one == two for one, two in known)


def test_another_content_path_or_model_is_inspected_again(photos, files):
    inspect_folder(FakeInspector(), str(photos), files)
    write_part(photos / "good 0.png", seed=1000)
    (photos / "good 1.png").rename(photos / "renamed.png")
    (photos / "broken.png").unlink()
    write_part(photos / "broken.png")
    inspector = FakeInspector()
    inspect_folder(inspector, str(photos), files)
    assert inspector.inspected == 3

    other = FakeInspector(model_id="model-2")
    inspect_folder(other, str(photos), files)
    assert other.inspected == 9


def test_overlays_of_good_parts_are_of_the_size_that_is_shown(tmp_path, files):
    for name, defect in (("good", 0.0), ("bad", 0.5)):
        path = tmp_path / f"photos/{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(part(defect, size=(700, 900))).save(path)
    bad, good = inspect_folder(FakeInspector(), str(tmp_path / "photos"), files)
    sizes = [Image.open(Path(files.root, one.row["overlay"])).size for one in (bad, good)]
    assert [one.row["verdict"] for one in (bad, good)] == ["defective", "good"]
    assert sizes == [(900, 700), (512, 398)]


def test_every_byte_of_a_folder_is_read_once(photos, files, monkeypatch):
    read = []

    def counted(filesystem, path):
        data = read_file(filesystem, path)
        read.append(len(data))
        return data

    monkeypatch.setattr(steps, "read_file", counted)
    inspect_folder(FakeInspector(), str(photos), files)
    assert sum(read) == sum(path.stat().st_size for path in photos.rglob("*.png"))


def test_images_are_opened_and_stored_while_others_are_inspected(tmp_path, files, monkeypatch):
    for n in range(4):
        write_part(tmp_path / f"photos/{n}.png")
    opened = [threading.Event() for _ in range(4)]

    def read(filesystem, path):
        opened[int(path[0])].set()
        return read_file(filesystem, path)

    class Waiting(FakeInspector):
        def inspect(self, image):
            assert opened[min(self.inspected + 1, 3)].wait(60)  # the next one
            return super().inspect(image)

    monkeypatch.setattr(steps, "read_file", read)
    assert len(inspect_folder(Waiting(), str(tmp_path / "photos"), files)) == 4


def test_each_state_keeps_its_overlay(tmp_path, files):
    photo = tmp_path / "photos/a.png"
    write_part(photo, defect=0.5)
    before = inspect_folder(FakeInspector(), str(photo.parent), files)[0].row
    drawn = Path(files.root, before["overlay"]).read_bytes()
    write_part(photo)
    inspect_folder(FakeInspector(), str(photo.parent), files)
    write_part(photo, defect=0.5)
    after = inspect_folder(FakeInspector(), str(photo.parent), files)[0].row
    assert after == before
    assert Path(files.root, after["overlay"]).read_bytes() == drawn


@pytest.mark.parametrize(
    "damage",
    [
        lambda files, entry, _: files.update({entry: files[entry][:100]}),
        lambda files, entry, _: files.update({entry: b"[]"}),
        lambda files, entry, _: files.pop(entry),
        lambda files, entry, _: files.pop(entry.replace(".json", ".jpg")),
        lambda files, _, overlay: files.pop(overlay),
    ],
)
def test_entry_that_is_damaged_or_deleted_is_made_again(photos, files, damage):
    first = next(one for one in inspect_folder(FakeInspector(), str(photos), files) if one.key)
    damage(files, f"journal/{first.key}.json", first.row["overlay"])
    inspector = FakeInspector()
    again = inspect_folder(inspector, str(photos), files)
    assert inspector.inspected == 1
    assert all(one.view(files) and one.large_image(files) for one in again if one.key)


def test_url_of_any_file_system(photos, tmp_path):
    files = fsspec.get_mapper(f"memory:///out-{tmp_path.name}")
    inspected = inspect_folder(FakeInspector(), copy_to_memory(photos, tmp_path.name), files)
    assert [one.row["path"] for one in inspected][-1] == "line 2/bad2.png"
    assert {f"journal/{one.key}.jpg" for one in inspected if one.key} <= set(files)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_images_of_an_archive(photos, files, kind):
    found, expected = (
        table_of(inspect_folder(FakeInspector(), folder, files))
        for folder in (pack(photos, kind), str(photos))
    )
    assert found.drop(columns="time").equals(expected.drop(columns="time"))


def test_hidden_files_and_other_files_are_left_out(photos, files):
    write_part(photos / ".trash/old.png")
    (photos / ".hidden.png").write_bytes(b"")
    (photos / "notes.txt").write_text("no image")
    assert len(inspect_folder(FakeInspector(), str(photos), files)) == 9


def test_names_that_are_no_good_names(tmp_path, files):
    folder = tmp_path / "photos"
    write_part(folder / "plain.png")
    names = [b"\xff latin.png", b"new\nline.png", b"[a-b]*?.png", "\u202eü😀.png".encode()]
    names.append(b"x" * 250 + b".png")
    for name in names:
        os.link(os.fsencode(folder / "plain.png"), os.fsencode(folder) + b"/" + name)
    table = table_of(inspect_folder(FakeInspector(), str(folder), files))
    table.to_parquet(tmp_path / "table.parquet")
    assert len(table) == 6
    assert (table["error"] == "").all()
    assert all(Path(files.root, overlay).is_file() for overlay in table["overlay"])


@pytest.mark.parametrize("n", [0, 5, 18])
def test_every_part_is_undecided_where_no_threshold_can_be_promised(photos, files, n):
    inspector = FakeInspector(calibration=make_calibration(n=n))
    inspected = inspect_folder(inspector, str(photos), files)
    assert (
        summary_of(inspected)
        == "9 images inspected: 0 good, 0 defective, 8 undecided, 1 unreadable."
    )
    table = table_of(inspected)
    readable = table[table["error"] == ""]
    assert (readable["reason"] == inspector.calibration.statement()).all()
    assert readable["reason"].str.contains(f"with {n} good images .* at least 19 images").all()
    assert (table.loc[table["error"] != "", "reason"] == "").all()
    check_plain(table)
    # What a person has to decide comes with what explains it.
    views = [one.view(files) for one in inspected if one.key]
    assert all(view["nearest"] for view in views)
    assert all(view["defects"] == [] for view in views)


def test_an_image_that_cannot_be_scored_is_undecided_and_stops_nothing(photos, files, tmp_path):
    class Unsure(FakeInspector):
        def inspect(self, image):
            found = super().inspect(image)
            if found.flagged:
                raise InputError("The scores of image 'x' are not all finite numbers.")
            return found

    inspected = inspect_folder(Unsure(), str(photos), files)
    assert summary_of(inspected).endswith("5 good, 0 defective, 3 undecided, 1 unreadable.")
    table = table_of(inspected)
    unsure = table[table["verdict"] == "undecided"]
    assert unsure["image_score"].isna().all()
    assert unsure["reason"].str.contains("not all finite").all()
    assert (unsure["error"] == "").all()
    table.to_parquet(tmp_path / "table.parquet")


def test_verdicts_of_a_journal_by_a_former_rule_are_kept_but_not_used(photos, files):
    """Entries as they were written when every part was good that no threshold flagged."""
    few = {"calibration": make_calibration(n=5)}
    for one in inspect_folder(FakeInspector(**few), str(photos), files):
        if one.key:
            path = one.row["path"]
            data = (photos / path).read_bytes()
            key = hashlib.sha256(f"1\0model-1\0{path}\0".encode() + data).hexdigest()[:32]
            entry = json.loads(files.pop(f"journal/{one.key}.json"))
            entry["row"]["verdict"] = "good"
            del entry["row"]["reason"]
            files[f"journal/{key}.json"] = json.dumps(entry).encode()
    before = {name: bytes(files[name]) for name in files}

    inspector = FakeInspector(**few)
    inspected = inspect_folder(inspector, str(photos), files)
    assert inspector.inspected == 8
    summary = summary_of(inspected)
    assert "0 good, 0 defective, 8 undecided, 1 unreadable." in summary
    assert "8 of them had a verdict in the journal by the rule of a former version" in summary
    assert all(bytes(files[name]) == data for name, data in before.items())  # nothing is lost

    again = FakeInspector(**few)
    repeated = inspect_folder(again, str(photos), files)
    assert again.inspected == 0
    assert summary_of(repeated).endswith("8 undecided, 1 unreadable.")


@pytest.mark.parametrize("folder", ["gone", "file.png", "empty", "nosuch://x"])
def test_folder_that_cannot_be_inspected(tmp_path, files, folder):
    (tmp_path / "empty").mkdir()
    write_part(tmp_path / "file.png")
    path = folder if "://" in folder else str(tmp_path / folder)
    with pytest.raises(InputError, match=r"cannot be listed|no folder|holds no image"):
        inspect_folder(FakeInspector(), path, files)


def test_full_disk_is_not_the_image_s_fault(photos):
    class Full(dict):
        def __setitem__(self, key, value):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        inspect_folder(FakeInspector(), str(photos), Full())


def test_what_may_hide_a_part_is_a_row_that_cannot_be_read(photos, files, tmp_path, monkeypatch):
    whole = table_of(inspect_folder(FakeInspector(), str(photos), files))
    (photos / "camera 2").mkdir()
    (photos / "camera 2/part.pgm").write_bytes(b"P5 1 1 255\n0")
    (photos / "part.HEIC").write_bytes(b"")
    os.mkfifo(photos / "pipe.png")
    (photos / "night").mkdir()
    ls = LocalFileSystem.ls

    def refuse(self, path, *args, **kwargs):
        if str(path).endswith("/night"):
            raise PermissionError(13, "Permission denied", path)
        return ls(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", refuse)
    inspected = inspect_folder(FakeInspector(), str(photos), files)
    table = table_of(inspected).set_index("path")
    assert list(table.index) == sorted(table.index)
    added = table.loc[["camera 2/part.pgm", "night/", "part.HEIC", "pipe.png"]]
    assert len(table) == len(whole) + len(added)
    assert (added["verdict"] == "unreadable").all()
    reasons = ["format are not read", "cannot be opened", "format are not read", "no regular file"]
    for reason, error in zip(reasons, added["error"], strict=True):
        assert reason in error
    assert summary_of(inspected).endswith("5 unreadable.")
    table.to_parquet(tmp_path / "table.parquet")


def test_other_files_are_said_to_be_not_inspected(photos):
    assert not_inspected(list_images(str(photos))[1]) == ""
    (photos / "notes.txt").touch()
    (photos / ".hidden.png").touch()
    (photos / "part.pgm").touch()  # a row of its own
    said = not_inspected(list_images(str(photos))[1])
    assert said.startswith("Not inspected: 1 hidden files or folders are not read, first .hidden")
    assert said.endswith("(.txt 1), first notes.txt.")
    assert "pgm" not in said
