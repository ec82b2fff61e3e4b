"""Options of `reb inspect`: what it takes, what it writes, and how it ends."""

import json
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_inspector import FakeInspector, make_calibration, write_folder, write_part

from reb_pipeline.inspection import cli
from reb_pipeline.inspection.cli import main
from reb_pipeline.inspection.inspector import Inspector
from reb_pipeline.inspection.manifest import model_in
from reb_pipeline.inspection.threshold import ChosenThreshold

MODEL = Path(__file__).parent / "models/former_records"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_folder(tmp_path / "new photos, all")


@pytest.fixture
def load(monkeypatch):
    """Let every model be a stand-in at the asked rate."""
    loaded = []

    def fake(path, engine, **rates):
        loaded.append(FakeInspector(calibration=make_calibration(**rates)))
        return loaded[-1]

    monkeypatch.setattr(Inspector, "load", fake)
    return loaded


def verdicts(out="inspection"):
    return dict(pd.read_csv(f"{out}/inspections.csv")[["path", "verdict"]].to_numpy())


@pytest.mark.parametrize(
    ("fail_on", "status"),
    [
        ("defective", 1),
        ("unreadable", 1),
        ("defective,doubtful,undecided,unreadable", 1),
        ("undecided", 0),
        ("doubtful", 0),
        ("undecided, unreadable", 1),
    ],
)
def test_an_exit_status_for_verdicts(photos, load, fail_on, status):
    assert main([str(photos), "--model", "m", "--fail-on", fail_on]) == status


def test_an_unknown_verdict_is_refused(photos, load, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(photos), "--model", "m", "--fail-on", "defect"])
    assert "Verdict 'defect' is unknown: did you mean 'defective'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("formats", "files"),
    [
        ([], {"csv", "parquet"}),
        (["json"], {"json"}),
        (["csv"], {"csv"}),
        (["parquet", "json"], {"parquet", "json"}),
    ],
)
def test_formats_of_the_table(photos, load, formats, files):
    options = [word for name in formats for word in ("--format", name)]
    assert main([str(photos), "--model", "m", *options]) == 0
    assert {path.suffix[1:] for path in Path("inspection").glob("inspections.*")} == files


def test_json_holds_the_rows_of_the_table(photos, load):
    assert main([str(photos), "--model", "m", "--format", "json", "--format", "csv"]) == 0
    rows = json.loads(Path("inspection/inspections.json").read_text())
    table = pd.read_csv("inspection/inspections.csv")
    assert [row["path"] for row in rows] == list(table["path"])
    assert list(rows[0]) == list(table.columns)
    assert [row["boxes"] for row in rows] == [json.loads(text) for text in table["boxes"]]


def test_another_rate_judges_what_is_in_the_journal_again(photos, load, monkeypatch):
    """The score of a part is known: only its verdict changes, and nothing is inspected."""
    assert main([str(photos), "--model", "m"]) == 0
    before = verdicts()
    scores = pd.read_csv("inspection/inspections.csv").set_index("path")["image_score"].dropna()
    third = float(scores.sort_values().iloc[2])

    def at(path, engine, false_alarm_rate):
        # 10 % of 100 good parts are above the third score, and 2 % above 9.
        values = [0.1] * 89 + [third] + [9.0] * 9
        load.append(
            FakeInspector(
                calibration=make_calibration(
                    image_scores=np.array(values), false_alarm_rate=false_alarm_rate
                )
            )
        )
        return load[-1]

    monkeypatch.setattr(Inspector, "load", at)
    assert main([str(photos), "--model", "m", "--false-alarm-rate", "10%"]) == 0
    after = verdicts()
    assert {after[path] for path in scores.index[scores <= third]} == {"good"}
    assert {after[path] for path in scores.index[scores > third]} == {"defective"}
    assert after != before
    assert main([str(photos), "--model", "m", "--false-alarm-rate", "0.02"]) == 0
    assert "defective" not in verdicts().values()
    assert [one.inspected for one in load] == [8, 0, 0]


@pytest.mark.parametrize(("first", "second"), [("0.05", "0.7"), ("0.7", "0.05")])
def test_marks_of_the_journal_are_those_of_the_rate_that_is_asked_for(first, second, photos, load):
    """They stayed those of the first rate, so that a part was defective without a marked region."""

    def results(rate, output):
        rates = ["--false-alarm-rate", rate]
        assert main([str(photos), "--model", "m", "--format=json", *rates, "--output", output]) == 0
        rows = json.loads(Path(output, "inspections.json").read_text())
        page = Path(output, "report.html").read_text()
        drawn = [Path(output, row["overlay"]).read_bytes() for row in rows if row["overlay"]]
        marks = [(row["path"], row["boxes"], row["defect_area"], row["verdict"]) for row in rows]
        return marks, drawn, re.findall(r'"outlines":.*?"worst"', page)

    before = results(first, "twice")
    after = results(second, "twice")
    assert after == results(second, "once")
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert results(first, "twice") == before
    assert [one.inspected for one in load] == [8, 0, 8, 0]


def test_a_second_rate_makes_parts_doubtful_without_another_inspection(photos, load):
    """A part that was good is explained and drawn large once it is doubtful."""
    arguments = [str(photos), "--model", "m", "--format=json"]
    assert main(arguments) == 0
    asked = ["--doubtful-rate", "60%", "--fail-on", "doubtful"]
    assert main([*arguments, *asked]) == 1
    rows = json.loads(Path("inspection/inspections.json").read_text())
    assert Counter(row["verdict"] for row in rows) == {
        "doubtful": 5, "defective": 3, "unreadable": 1
    }  # fmt: skip
    page = Path("inspection/report.html").read_text()
    assert "9 images inspected: 0 good, 5 doubtful, 3 defective" in page
    assert page.count('"nearest":[{') == 8
    assert main([*arguments, *asked, "--output", "once"]) == 1
    again = json.loads(Path("once/inspections.json").read_text())
    for row, other in zip(rows, again, strict=True):
        assert {**row, "time": "", "overlay": ""} == {**other, "time": "", "overlay": ""}
    assert main([*arguments, "--fail-on", "doubtful"]) == 0
    assert [one.inspected for one in load] == [8, 0, 8, 0]


def test_a_second_rate_that_cannot_be_used_is_refused(photos, capsys, tmp_path):
    arguments = [str(photos), "--model", str(MODEL)]
    assert main([*arguments, "--false-alarm-rate", "30%", "--doubtful-rate", "20%"]) == 2
    assert "A doubtful rate of 20 % cannot be used" in capsys.readouterr().err
    threshold = tmp_path / "threshold.json"
    model = Inspector.load(MODEL)
    chosen = ChosenThreshold.of(model.model_id, model.calibration, model.image_threshold)
    threshold.write_bytes(chosen.to_json())
    assert main([*arguments, "--threshold", str(threshold), "--doubtful-rate", "20%"]) == 2
    assert "has a rate of its own: leave --doubtful-rate out" in capsys.readouterr().err


def test_a_rate_that_the_calibration_cannot_keep_is_refused(photos, capsys):
    arguments = [str(photos), "--model", str(MODEL), "--false-alarm-rate", "0.1%"]
    assert main(arguments) == 2
    assert "A false-alarm rate of 0.1 % cannot be promised" in capsys.readouterr().err
    assert main([*arguments, "--allow-undecided"]) == 0
    assert set(verdicts().values()) == {"undecided", "unreadable"}


def test_the_rate_of_a_real_model():
    inspector = Inspector.load(MODEL, false_alarm_rate=0.2)
    assert inspector.calibration.false_alarm_rate == 0.2
    assert inspector.image_threshold == inspector.calibration.image_threshold
    assert inspector.image_threshold <= Inspector.load(MODEL).image_threshold
    assert inspector.model_id == Inspector.load(MODEL).model_id


def test_single_files(photos, load):
    files = [photos / "good 1.png", photos / "line 2/bad0.png"]
    assert main([*map(str, files), "--model", "m"]) == 0
    assert verdicts() == {"good 1.png": "good", "line 2/bad0.png": "defective"}
    assert main([str(files[0]), "--model", "m", "--output", "one"]) == 0
    assert verdicts("one") == {"good 1.png": "good"}
    assert load[-1].inspected == 1


def test_a_file_beside_the_output(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_part(tmp_path / "a.png")
    assert main(["a.png", "--model", "m"]) == 0
    assert verdicts() == {"a.png": "good"}


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (
            ["good 1.png", "gone.png"],
            r"'.*gone.png' is no file that is there: give one folder, or files",
        ),
        (["good 1.png", "line 2"], r"'.*line 2' is no file that is there"),
        (["good 1.png", "notes.txt"], r"'.*notes.txt' is no image by its name: leave it out"),
        (["gone"], r"'.*gone' is no folder that is there"),
    ],
)
def test_inputs_that_cannot_be_used(photos, load, inputs, sentence, capsys):
    (photos / "notes.txt").touch()
    assert main([*(str(photos / name) for name in inputs), "--model", "m"]) == 2
    assert re.search(sentence, capsys.readouterr().err)


def test_a_file_of_another_format_is_unreadable(photos, load):
    (photos / "part.pgm").touch()
    assert main([str(photos / "good 1.png"), str(photos / "part.pgm"), "--model", "m"]) == 0
    assert verdicts()["part.pgm"] == "unreadable"


def versions(root, *names):
    for name in names:
        shutil.copytree(MODEL, root / name / "model")


def test_the_folder_above_the_versions_gives_the_newest(tmp_path):
    versions(tmp_path / "model", "2026-01-01T00.00.00.000Z", "2026-03-01T00.00.00.000Z")
    (tmp_path / "model/2026-04-01T00.00.00.000Z/model").mkdir(
        parents=True
    )  # not written to its end
    newest = f"{tmp_path}/model/2026-03-01T00.00.00.000Z/model"
    assert model_in(f"{tmp_path}/model/") == model_in(f"{tmp_path}/model") == newest
    assert model_in(newest) == newest
    assert model_in("gone") == "gone"
    assert model_in(f"file://{tmp_path}/model") == f"file://{newest}"


def test_a_folder_of_models(tmp_path):
    shutil.copytree(MODEL, tmp_path / "all [1]/bolt")
    assert model_in(str(tmp_path / "all [1]")) == str(tmp_path / "all [1]/bolt")
    shutil.copytree(MODEL, tmp_path / "all [1]/nut")
    with pytest.raises(
        cli.InputError, match=r"holds several models \(bolt, nut\): give one of them"
    ):
        model_in(str(tmp_path / "all [1]"))


def test_two_versions_by_a_pattern_of_the_shell(photos, tmp_path, capsys):
    versions(tmp_path / "model", "2026-01-01", "2026-02-01")
    first, second = sorted(map(str, (tmp_path / "model").glob("*/model")))
    assert main([str(photos), "--model", first, second]) == 2
    said = capsys.readouterr().err
    assert f"'{second}' is a packaged model and no folder of photos" in said
    assert main([str(photos), "--model", str(tmp_path / "model")]) == 0


class Clock:
    """Time that passes only while the watch sleeps, and what happens meanwhile."""

    def __init__(self, *events):
        self.now, self.events = 0.0, list(events)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        if not self.events:
            raise KeyboardInterrupt
        self.events.pop(0)()


@pytest.fixture
def watched(monkeypatch, tmp_path):
    from reb_pipeline.inspection import watch

    monkeypatch.chdir(tmp_path)
    Path("new").mkdir()

    def start(*events, options=()):
        clock = Clock(*events)
        for module in (watch, cli):
            monkeypatch.setattr(module, "time", clock)
        return main(["new", "--model", "m", "--watch", *options])

    return start


def nothing():
    """Let a second pass."""


def test_a_growing_folder_is_inspected_as_it_grows(watched, load, capsys):
    def add(name, defect=0.0):
        return lambda: write_part(Path("new") / name, defect)

    add("a.png")()
    events = [nothing] * 3 + [add("b.png", 0.5)] + [nothing] * 3
    assert watched(*events, options=["--fail-on", "defective"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"a.png: good \(score .*\)\nb.png: defective", said)
    assert "2 images inspected: 1 good, 1 defective" in said
    assert load[-1].inspected == 2
    assert verdicts() == {"a.png": "good", "b.png": "defective"}


def test_an_image_of_another_format_is_unreadable_while_a_folder_is_watched_too(
    watched, load, capsys
):
    """Nothing was said of it, and `--fail-on unreadable` did not see it."""
    write_part(Path("new/a.png"))
    events = [nothing, Path("new/b.heic").touch, *[nothing] * 3]
    assert watched(*events, options=["--fail-on", "unreadable"]) == 1
    assert capsys.readouterr().out.count("b.heic: unreadable") == 1
    assert verdicts() == {"a.png": "good", "b.heic": "unreadable"}


def test_a_file_that_is_being_written_is_not_judged(watched, load, tmp_path):
    write_part(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()

    def write(share):
        def event():
            Path("new/a.png").write_bytes(data[: round(share * len(data))])
            time.sleep(0.01)  # another time of change

        return event

    assert watched(write(0.3), write(0.6), write(0.9)) == 0  # every second a part of it
    assert load[-1].inspected == 0
    assert not Path("inspection/inspections.csv").exists()
    # A writer that stops for long leaves no image that can be read; the whole one is inspected.
    assert watched(write(0.5), *[nothing] * 4, write(1), *[nothing] * 3) == 0
    assert load[-1].inspected == 1
    assert verdicts() == {"a.png": "good"}


def test_a_file_that_changes_while_it_is_inspected_is_inspected_again(watched, load, monkeypatch):
    from reb_pipeline.inspection import watch

    write_part(Path("new/a.png"), seed=1)
    inspect_images, calls = watch.inspect_images, []

    def changed(*arguments):
        calls.append(arguments[2].images)
        found = inspect_images(*arguments)
        if len(calls) == 1:
            time.sleep(0.01)
            write_part(Path("new/a.png"), 0.5, seed=1)
        return found

    monkeypatch.setattr(watch, "inspect_images", changed)
    assert watched(*[nothing] * 6) == 0
    assert len(calls) == 2
    assert verdicts() == {"a.png": "defective"}


def test_watching_takes_one_folder(photos, load, capsys):
    files = [str(photos / "good 1.png"), str(photos / "good 2.png")]
    assert main([*files, "--model", "m", "--watch"]) == 2
    assert "--watch takes one folder" in capsys.readouterr().err


def test_an_output_behind_a_link_or_in_a_model(photos, load, capsys):
    """Overlays were written among the photos, and among the files of the model."""
    Path("link").symlink_to(photos)
    assert main([str(photos), "--model", "m", "--output", "link/out"]) == 2
    assert "is inside of the inspected folder" in capsys.readouterr().err
    shutil.copytree(MODEL, "x.model")
    assert main([str(photos), "--model", "x.model", "--output", "x.model"]) == 2
    assert "is a packaged model, which stays as it is" in capsys.readouterr().err
    assert not Path("x.model/overlays").exists()


@pytest.mark.parametrize("score", [None, "high", float("nan"), float("inf"), [], True])
def test_a_score_of_the_journal_that_is_none_is_not_used(photos, load, score):
    assert main([str(photos), "--model", "m"]) == 0
    before = verdicts()
    for entry in Path("inspection/journal").glob("*.json"):
        content = json.loads(entry.read_text())
        content["row"]["image_score"] = score
        entry.write_text(json.dumps(content))
    assert main([str(photos), "--model", "m"]) == 0
    assert verdicts() == before
    assert [one.inspected for one in load] == [8, 8]


def test_a_row_of_the_journal_without_a_column_is_not_used(photos, load):
    assert main([str(photos), "--model", "m"]) == 0
    for entry in Path("inspection/journal").glob("*.json"):
        content = json.loads(entry.read_text())
        del content["row"]["mean_features"]
        entry.write_text(json.dumps(content))
    assert main([str(photos), "--model", "m"]) == 0
    assert [one.inspected for one in load] == [8, 8]


def test_marks_that_cannot_be_used_are_refused_before_the_inspection(photos, load, capsys):
    Path("inspection").mkdir()
    Path("inspection/marks.json").write_text("{}")
    assert main([str(photos), "--model", "m"]) == 2
    assert "'marks.json' is no file of marks" in capsys.readouterr().err
    assert not load
