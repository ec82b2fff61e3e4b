"""`kedro run --pipelines inspection`: new images against the packaged model."""

import pandas as pd
import pytest

import miniatures
from conftest import ROOT, newest
from reb_pipeline.core.errors import InputError
from reb_pipeline.pipelines.inspection import nodes
from small_disk import READ_ONLY, run_on_small_disk
from tiny_model import write_tiny

VERSION = "2026-01-01T00.00.00.000Z"


@pytest.fixture
def photos(tmp_path):
    """Two good parts, two defective ones, and one that is no image."""
    folder = tmp_path / "photos"
    miniatures.write_good(folder, 2, seed=300)
    for seed, defect in enumerate(("dark_spot", "bright_spot")):
        miniatures.write_image(
            folder / "b" / f"{defect}.png", miniatures.draw_part(400 + seed, defect)[0]
        )
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def test_new_images_are_inspected_once(run_project, tmp_path, photos, messages_of):
    pytest.importorskip("onnx")
    write_tiny(tmp_path / "out/06_models/screw/model" / VERSION / "model")
    params = {"inspection": {"input": str(photos)}}
    chosen = {"env": "mvtec_ad", "pipeline_names": ["inspection"], "namespaces": ["screw"]}
    messages = messages_of(nodes.logger)

    out = run_project(params=params, **chosen)

    assert messages == ["part: 5 images inspected: 2 good, 2 defective, 0 undecided, 1 unreadable."]
    first = pd.read_parquet(newest(out / "07_model_output/screw", "inspections.parquet"))
    assert first.set_index("path")["verdict"].to_dict() == {
        "000.png": "good",
        "001.png": "good",
        "b/bright_spot.png": "defective",
        "b/dark_spot.png": "defective",
        "broken.png": "unreadable",
    }
    files = out / "07_model_output/screw/inspection_files"
    assert all((files / one).is_file() for one in first["overlay"] if one)
    report = newest(out / "08_reporting/screw", "inspection_report.html").read_text()
    assert "Inspection: part" in report

    run_project(params=params, **chosen)
    again = pd.read_parquet(newest(out / "07_model_output/screw", "inspections.parquet"))
    assert (again["time"] == first["time"])[again["error"] == ""].all()


def test_a_model_that_can_flag_nothing_needs_permission(run_project, tmp_path, photos, messages_of):
    pytest.importorskip("onnx")
    write_tiny(tmp_path / "out/06_models/screw/model" / VERSION / "model", rate=0.001)
    chosen = {"env": "mvtec_ad", "pipeline_names": ["inspection"], "namespaces": ["screw"]}
    params = {"inspection": {"input": str(photos)}}
    with pytest.raises(InputError, match=r"no part good .* set inspection.allow_undecided=true"):
        run_project(params=params, **chosen)
    assert not list((tmp_path / "out/07_model_output/screw/inspection_files").rglob("*"))

    messages = messages_of(nodes.logger)
    params["inspection"]["allow_undecided"] = True
    out = run_project(params=params, **chosen)
    table = pd.read_parquet(newest(out / "07_model_output/screw", "inspections.parquet"))
    assert table["verdict"].value_counts().to_dict() == {"undecided": 4, "unreadable": 1}
    assert messages == ["part: 5 images inspected: 0 good, 0 defective, 4 undecided, 1 unreadable."]


def test_no_images_are_named(run_project):
    with pytest.raises(InputError, match=r"inspection.input names no images to inspect as screw"):
        run_project("mvtec_ad", pipeline_names=["inspection"], namespaces=["screw"])


def test_images_are_inspected_as_one_category(run_project, photos):
    with pytest.raises(
        InputError, match=r"photos' would be inspected as mono and poly: add --namespaces=mono"
    ):
        run_project("elpv", {"inspection": {"input": str(photos)}}, pipeline_names=["inspection"])


def test_categories_may_have_a_folder_each(run_project, photos):
    params = {
        "inspection": {
            "per_category": {"mono": {"input": str(photos)}, "poly": {"input": str(photos / "b")}}
        }
    }
    with pytest.raises(InputError, match="packaged_model"):  # the next thing that is missing
        run_project("elpv", params, pipeline_names=["inspection"])


@pytest.mark.parametrize(
    ("room", "sentence"),
    [
        (24_000, "cannot be written (No space left on device): it takes at least "),
        (READ_ONLY, "cannot be written (Read-only file system): allow to write in '"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path, photos, room, sentence):
    pytest.importorskip("onnx")
    write_tiny(tmp_path / "before/06_models/screw/model" / VERSION / "model")
    out = tmp_path / "out"
    command = ["-m", "kedro", "run", "--env", "mvtec_ad", "--pipelines", "inspection"]
    given = ["--namespaces", "screw", "--params", f"output_root={out},inspection.input={photos}"]
    finished = run_on_small_disk(out, room, *command, *given, content=tmp_path / "before", cwd=ROOT)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    (error,) = [line for line in finished.stderr.splitlines() if line.startswith("Error")]
    assert error.startswith(f"Error: '{out}/")
    assert sentence in error
    assert finished.stdout == "left: []\n"
