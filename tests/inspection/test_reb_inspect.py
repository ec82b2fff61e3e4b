"""The command, as it is called; the model mostly a stand-in."""

import re

import pandas as pd
import pytest
from fake_inspector import FakeInspector, make_calibration, write_folder

from archives import pack
from lean import run_lean
from miniatures import draw_part, write_image
from reb_pipeline.inspection.cli import main
from reb_pipeline.inspection.inspector import Inspector
from small_disk import READ_ONLY, run_on_small_disk
from tiny_model import write_tiny

COMMAND = """
import sys
from reb_pipeline.inspection.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def photos(tmp_path):
    return write_folder(tmp_path / "photos")


@pytest.fixture
def load(monkeypatch):
    """Let every model be a stand-in; tells which were loaded."""
    loaded = []

    def fake(path, engine):
        loaded.append((path, engine, FakeInspector()))
        return loaded[-1][2]

    monkeypatch.setattr(Inspector, "load", fake)
    return loaded


def test_files_that_are_no_images_are_named_on_the_console_and_in_the_report(
    photos, load, tmp_path, capsys
):
    (photos / "notes.txt").touch()
    (photos / "part.pgm").touch()
    out = tmp_path / "out"
    assert main([str(photos), "--model", "m", "--output", str(out)]) == 0
    counted, left_out, _ = capsys.readouterr().out.splitlines()
    assert counted == "10 images inspected: 5 good, 3 defective, 0 undecided, 2 unreadable."
    assert left_out == (
        "Not inspected: 1 files are not read because they are no images by their names (.txt 1), first notes.txt."
    )
    assert left_out in (out / "report.html").read_text()
    assert "part.pgm" in (out / "inspections.csv").read_text()


def test_everything_is_written(photos, load, tmp_path, capsys):
    out = tmp_path / "run [2]"
    arguments = [str(photos), "--model", "bolt/model", "--output", str(out)]
    assert main(arguments) == 0
    assert load[0][:2] == ("bolt/model", "onnxruntime")
    said = capsys.readouterr()
    assert (
        said.out
        == f"9 images inspected: 5 good, 3 defective, 0 undecided, 1 unreadable.\n{out}/report.html\n"
    )
    assert said.err == ""  # progress bars are for terminals
    assert "</html>" in (out / "report.html").read_text()
    table = pd.read_parquet(out / "inspections.parquet")
    text = pd.read_csv(out / "inspections.csv")
    assert list(text["path"]) == list(table["path"])
    assert list(text.columns) == [name for name in table.columns if name != "mean_features"]
    assert len(list((out / "overlays").rglob("*.jpg"))) == 8

    assert main([*arguments, "--engine", "openvino"]) == 0
    assert load[1][1] == "openvino"
    assert load[1][2].inspected == 0  # all of it is in the journal


def test_names_of_files_are_no_formulas_in_a_spreadsheet(photos, load, tmp_path):
    image = next(photos.rglob("*.png")).read_bytes()
    names = [
        "=HYPERLINK(1).png",
        "+1.png",
        "-1.png",
        "@SUM(A1).png",
        "\t=1.png",
        "\r+1.png",
        "a=1.png",
    ]
    for name in names:
        (photos / name).write_bytes(image)
    out = tmp_path / "out"
    assert main([str(photos), "--model", "m", "--output", str(out)]) == 0
    table = pd.read_csv(out / "inspections.csv", lineterminator="\n")
    texts = table.select_dtypes(exclude="number").to_numpy().ravel()
    assert not [cell for cell in texts if str(cell).strip()[:1] in set("=+-@")]
    assert "a=1.png" in set(table["path"])  # an ordinary name stays
    assert set(names) <= set(pd.read_parquet(out / "inspections.parquet")["path"])


@pytest.mark.parametrize("more", [(), ("pyarrow",)])
def test_real_model_with_no_more_than_inspection_needs(tmp_path, more):
    pytest.importorskip("onnx")
    for seed, defect in enumerate(["good", "dark_spot", "bright_spot"]):
        write_image(tmp_path / "photos" / f"{defect}.png", draw_part(20 + seed, defect)[0])
    out = tmp_path / "out"
    arguments = [tmp_path / "photos", "--model", write_tiny(tmp_path / "model"), "--output", out]
    run = run_lean(COMMAND, *arguments, more=more)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(
        "3 images inspected: 1 good, 2 defective, 0 undecided, 0 unreadable."
    )
    is_whole = "pyarrow" in more
    assert (out / "inspections.parquet").is_file() == is_whole
    assert ("needs `pip install pyarrow`" in run.stdout) != is_whole
    assert len(pd.read_csv(out / "inspections.csv")) == len(list(out.glob("overlays/*"))) == 3
    report = (out / "report.html").read_text()
    assert "Inspection: part" in report
    assert '"name":"good/00' in report  # what explains the defects


@pytest.mark.parametrize(
    ("folder", "output", "sentence"),
    [
        ("gone", "out", r"gone' is no folder that is there"),
        ("zip://::gone.zip", "out", r"'zip://::gone.zip' cannot be listed .*correct the path"),
        ("photos", "photos/out", r"inside of the inspected folder .*give --output another place"),
        ("photos", "photos", r"inside of the inspected folder"),
        ("photos", "file/out", r"cannot be written to .*file/out"),
    ],
)
def test_what_the_user_got_wrong(
    photos, load, tmp_path, monkeypatch, capsys, folder, output, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main([folder, "--model", "m", "--output", output]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("Error: ")

    assert re.search(sentence, error)


def test_images_of_an_archive(photos, load, tmp_path):
    arguments = [pack(photos, "zip"), "--model", "m", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert len(pd.read_csv(tmp_path / "out/inspections.csv")) == 9


def test_model_that_is_none(photos, tmp_path, capsys):
    assert main([str(photos), "--model", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "is no packaged model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_can_flag_nothing_needs_permission(photos, tmp_path, monkeypatch, capsys):
    few = FakeInspector(calibration=make_calibration(n=17))
    monkeypatch.setattr(Inspector, "load", lambda path, engine: few)
    arguments = [str(photos), "--model", "m", "--output", str(tmp_path / "out")]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("Error: The model of bolt can call no part good or defective: ")
    assert "with 17 good images" in error
    assert "at least 19 images are needed" in error
    assert error.endswith("or set --allow-undecided to take it as it is.")
    assert few.inspected == 0
    assert not (tmp_path / "out").exists()

    assert main([*arguments, "--allow-undecided"]) == 0
    assert "0 good, 0 defective, 8 undecided, 1 unreadable." in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out/inspections.csv", keep_default_na=False)
    assert set(table["verdict"]) == {"undecided", "unreadable"}
    assert (table["reason"] != "").sum() == 8


def test_interrupted(photos, load, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Inspector, "load", lambda path, engine: FakeInspector(stop_after=4))
    arguments = [str(photos), "--model", "m", "--output", str(tmp_path / "out")]
    assert main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    rest = FakeInspector()
    monkeypatch.setattr(Inspector, "load", lambda path, engine: rest)
    assert main(arguments) == 0
    assert rest.inspected == 4


def test_arguments_are_explained(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "Exit status: 0 if all images are inspected" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("room", "sentence"),
    [
        (12_000, "cannot be written (No space left on device): it takes at least "),
        (READ_ONLY, "cannot be written (Read-only file system): allow to write in '"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_sentence(photos, tmp_path, room, sentence):
    pytest.importorskip("onnx")
    model, out = write_tiny(tmp_path / "model"), tmp_path / "out"
    command = ["-m", "reb_pipeline.inspection.cli", photos, "--model", model, "--output", out]
    finished = run_on_small_disk(out, room, *command)
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
    error = finished.stderr.splitlines()[-1]
    assert error.startswith(f"Error: '{out}/")
    assert sentence in error
    assert error.count("cannot be written") == 1
    assert finished.stdout == "left: []\n"
