"""A model of parts with several views judges parts, and no part by one of its views."""

import json
from dataclasses import replace
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from fake_inspector import FakeInspector, make_calibration, write_part

from reb_pipeline.calibration.parts import Views
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection import Inspector, cli
from reb_pipeline.inspection.folder import csv_of, inspect_folder, rows_of, summary_of, table_of
from reb_pipeline.inspection.model import read_model, write_model
from reb_pipeline.inspection.report import report_page
from reb_pipeline.pipelines.drift.history import latest_parts
from tiny_model import HELD_OUT, tiny_model

PATTERN = r"^(.*)_\d+$"


class PartInspector(FakeInspector):
    """Judges parts of two views."""

    def __init__(self, **calibration):
        views = {"views": Views(PATTERN, 2), "mean_features": np.zeros((198, 3), np.float32)}
        super().__init__(calibration=make_calibration(**views, **calibration))


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    sizes = {
        "a_0": 0,
        "a_1": 0,
        "b_0": 0.5,
        "b_1": 0,
        "c_0": 0,
        "d_0": 0.5,
        "d_1": 0,
        "d_2": 0,
        "x": 0,
        "z": 0,
    }
    for name, size in sizes.items():
        write_part(root / f"{name}.png", size)
    for name in ("e_0", "f_0", "f_1", "g_1", "y"):
        (root / f"{name}.png").write_bytes(b"no image")
    write_part(root / "e_1.png", 0.5)
    write_part(root / "g_0.png")
    for copy in ("h_0", "h_1"):
        write_part(root / f"{copy}.png", seed=0)
    return root


VERDICTS = {
    "a_0": "good", "a_1": "good",
    "b_0": "defective", "b_1": "defective",
    "c_0": "undecided",  # a view is missing
    "d_0": "undecided", "d_1": "undecided", "d_2": "undecided",  # too many
    "e_0": "defective", "e_1": "defective",
    "f_0": "unreadable", "f_1": "unreadable",
    "g_0": "undecided", "g_1": "undecided",
    "h_0": "undecided", "h_1": "undecided",  # one file twice
    "x": "undecided", "y": "unreadable", "z": "undecided",  # no part
}  # fmt: skip


def test_every_image_has_the_verdict_on_its_part_and_its_own_score(photos):
    files = {}
    inspector = PartInspector()
    table = table_of(inspected := inspect_folder(inspector, str(photos), files)).set_index("path")
    assert table["verdict"].to_dict() == {f"{name}.png": one for name, one in VERDICTS.items()}
    parts = {f"{name}.png": name.partition("_")[0] if "_" in name else "" for name in VERDICTS}
    assert table["part"].to_dict() == parts
    assert next(iter(table)) == "part"
    by_others = (table["verdict"] == "defective") & ~(
        table["image_score"] > inspector.image_threshold
    )
    assert (table["reason"] != "").equals((table["verdict"] == "undecided") | by_others)
    assert table.loc["b_1.png", "reason"] == "The view 'b_0.png' of this part is defective."
    assert "2 each" in table.loc["c_0.png", "reason"]
    assert table.loc["d_1.png", "reason"].startswith("3 views of this part are there")
    assert table.loc["g_0.png", "reason"].startswith("The view 'g_1.png' is unreadable: ")
    assert table.loc["b_1.png", "image_score"] < inspector.image_threshold  # its own
    assert summary_of(inspected) == (
        "19 images of 11 parts inspected: 1 good, 2 defective, 6 undecided, 2 unreadable."
    )
    assert csv_of(rows_of(inspected)).startswith(b"path,part,image_score,")
    again = inspect_folder(inspector, str(photos), files)
    assert inspector.inspected == 14  # nothing once more, and the same verdicts
    assert [one.row["verdict"] for one in again] == [*VERDICTS.values()]


def test_another_rate_and_doubt_are_those_of_parts(photos):
    files = {}
    inspect_folder(PartInspector(), str(photos), files)
    doubtful = PartInspector(doubtful_rate=0.999)  # nearly everything
    table = table_of(inspect_folder(doubtful, str(photos), files)).set_index("path")["verdict"]
    assert doubtful.inspected == 0
    assert table[["a_0.png", "b_1.png", "c_0.png"]].tolist() == [
        "doubtful",
        "defective",
        "undecided",
    ]
    few = PartInspector(false_alarm_rate=0.001)  # cannot be promised
    table = table_of(inspect_folder(few, str(photos), files))
    assert set(table["verdict"]) == {"undecided", "unreadable"}


def test_names_that_tell_no_part_are_refused_before_the_inspection(tmp_path):
    write_part(tmp_path / "left.png")
    inspector = PartInspector()
    with pytest.raises(
        InputError, match=r"is of parts with 2 views .* fits none of 1 images, first"
    ):
        inspect_folder(inspector, str(tmp_path), {})
    assert inspector.inspected == 0


def test_a_page_knows_the_parts(photos):
    inspector, files = PartInspector(), {}
    page = report_page(inspector, "photos", inspect_folder(inspector, str(photos), files), files)
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["views"] == 2
    assert {image["path"]: image["part"] for image in data["images"]}["b_1.png"] == "b"
    assert "What 2 views show together" in page
    plain, others = FakeInspector(), {}
    inspected = inspect_folder(plain, str(photos), others)
    assert "show together" not in report_page(plain, "photos", inspected, others)


def test_a_watched_part_is_judged_when_its_last_view_is_there(photos):
    inspector = PartInspector()
    scored = {one.row["path"]: one for one in cli_scored(inspector, photos)}
    del scored["a_1.png"]
    (first,) = cli._judged(inspector, scored, {"a_0.png"})
    assert (first.row["part"], first.row["verdict"]) == ("a", "undecided")
    both = cli._judged(inspector, {one.row["path"]: one for one in cli_scored(inspector, photos)})
    assert [one.row["verdict"] for one in both] == [*VERDICTS.values()]


def cli_scored(inspector, folder):
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.inspection.folder import inspect_images

    return inspect_images(inspector, *list_images(str(folder)), {})


def test_drift_is_that_of_whole_parts(photos):
    inspector = PartInspector()
    table = table_of(inspect_folder(inspector, str(photos), {}))
    history = {"1": lambda: table, "2": lambda: table}  # a resumed inspection
    parts = latest_parts(history, inspector.calibration, 100).set_index("path")
    assert sorted(parts.index) == ["a", "b", "h"]
    of_b = table[table["part"] == "b"]
    assert parts.loc["b", "image_score"] == of_b["image_score"].max()
    expected = np.mean([json.loads(text) for text in of_b["mean_features"]], axis=0)
    np.testing.assert_allclose(json.loads(parts.loc["b", "mean_features"]), expected)


def test_one_image_is_never_a_good_part(tmp_path):
    pytest.importorskip("onnx")
    model = stored(tiny_model())
    names = [f"{number // 2}" for number in range(len(model.calibration.image_ids))]
    of_parts = model.calibration.of_parts(names, Views(PATTERN, 2))
    whole = Inspector(stored(replace(model, calibration=of_parts)))
    assert whole.calibration.n_images == 9
    plain = Inspector(model)
    for image in HELD_OUT.values():
        alone, score = whole.inspect(image), plain.inspect(image)
        assert alone.image_score == score.image_score
        assert alone.verdict in ("defective", "undecided")
        assert (alone.verdict == "defective") == (score.image_score > whole.image_threshold)
        assert bool(alone.reason) == (alone.verdict == "undecided")


def stored(model):
    """The model as it is read again."""
    memory, folder = fsspec.filesystem("memory"), f"/{uuid4()}"
    write_model(model, folder, memory)
    return read_model(folder, memory)
