"""A threshold that a person chose: its file, its rate, and the inspection with it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from fake_inspector import make_calibration, write_part

from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.cli import main
from reb_pipeline.inspection.inspector import Inspector
from reb_pipeline.inspection.threshold import ChosenThreshold

MODEL = Path(__file__).parent / "models/former_records"


@pytest.mark.parametrize(
    ("threshold", "rate"), [(0.5, 0.01), (7.0, 0.01), (0.201, 0.99), (0.35, 0.5)]
)
def test_a_threshold_has_the_rate_of_the_good_images_above_it(threshold, rate):
    calibration = make_calibration(n=99)
    scores = calibration.image_scores.astype(float)
    chosen = ChosenThreshold.of("m", calibration, threshold)
    assert chosen.false_alarm_rate == (1 + (scores > threshold).sum()) / 100
    assert chosen.false_alarm_rate == pytest.approx(rate, abs=0.02)
    applied = chosen.applied("m", calibration)
    assert applied.false_alarm_rate == chosen.false_alarm_rate
    flagged = scores > applied.image_threshold
    assert flagged.tolist() == (scores > threshold).tolist()


@pytest.mark.parametrize(
    ("threshold", "fault"),
    [(np.inf, "finite"), (np.nan, "finite"), (0.1, "below the score of every good image")],
)
def test_a_threshold_without_a_rate_is_refused(threshold, fault):
    with pytest.raises(InputError, match=fault):
        ChosenThreshold.of("m", make_calibration(), threshold)


@pytest.mark.parametrize("lower", [0.21, 0.3, 0.4])
def test_both_thresholds_are_chosen_kept_and_applied(lower):
    calibration = make_calibration()
    chosen = ChosenThreshold.of("m", calibration, 0.4, lower)
    assert ChosenThreshold.read(chosen.to_json(), "threshold.json") == chosen
    applied = chosen.applied("m", calibration)
    scores = calibration.image_scores.astype(float)
    assert applied.doubtful_rate == (1 + (scores > lower).sum()) / 100
    assert chosen.doubtful(applied) == lower


@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.48])
def test_a_threshold_alone_keeps_the_doubtful_rate_of_the_model(threshold):
    """Unless it is the lower one: then no part is doubtful."""
    calibration = make_calibration(doubtful_rate=0.1)
    chosen = ChosenThreshold.of("m", calibration, threshold)
    assert b"doubtful" not in chosen.to_json()  # as in files of former versions
    applied = chosen.applied("m", calibration)
    assert applied.doubtful_rate == max(0.1, chosen.false_alarm_rate)
    assert chosen.doubtful(applied) == min(threshold, applied.doubtful_threshold)


@pytest.mark.parametrize(
    ("lower", "fault"),
    [(0.41, "is above that of defective ones"), (np.nan, "finite"), (0.1, "of every good image")],
)
def test_a_lower_threshold_that_cannot_be_used_is_refused(lower, fault):
    with pytest.raises(InputError, match=fault):
        ChosenThreshold.of("m", make_calibration(), 0.4, lower)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is no JSON"),
        (b'{"image_threshold": NaN}', "is no JSON"),
        (b"{}", "is no file of a threshold"),
        (b'{"format": "reb-pipeline threshold", "format_version": 9}', "format version 9"),
        (b'{"format": "reb-pipeline threshold", "format_version": 1}', "lacks a value"),
        (b"[" * 100_000, "is no JSON .it is nested too deeply"),
        (
            b'{"format": "reb-pipeline threshold", "format_version": 1, "model_id": "m", "image_threshold": 1'
            + b"0" * 400
            + b"}",
            "lacks a value",
        ),
    ],
)
def test_other_files_are_refused_in_a_sentence(data, fault):
    with pytest.raises(InputError, match=f"'t.json'.*{fault}.*save the threshold again"):
        ChosenThreshold.read(data, "t.json")


def test_reb_inspect_judges_by_the_saved_threshold(tmp_path, capsys):
    write_part(tmp_path / "photos/part.png", defect=0.3)
    model = Inspector.load(MODEL)
    run = [str(tmp_path / "photos"), "--model", str(MODEL), "--output", str(tmp_path / "out")]
    file = tmp_path / "threshold.json"

    def verdict(*options):
        assert main([*run, *options]) == 0
        with (tmp_path / "out/inspections.csv").open() as table:
            (row,) = csv.DictReader(table)
        return row["verdict"], float(row["image_score"])

    before, score = verdict()
    assert before == "defective"
    for threshold, expected in ((score, "good"), (np.nextafter(score, -np.inf), "defective")):
        chosen = ChosenThreshold.of(model.model_id, model.calibration, threshold)
        file.write_bytes(chosen.to_json())
        assert verdict("--threshold", str(file))[0] == expected
        rate = f"{100 * chosen.false_alarm_rate:.3g} % by"
        assert rate in (tmp_path / "out/report.html").read_text()
    capsys.readouterr()
    other = {**json.loads(file.read_text()), "model_id": "another model"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    refused = {
        ("--threshold", str(tmp_path / "other.json")): "was chosen for the model another mode",
        ("--threshold", str(tmp_path / "none.json")): "cannot be read",
        ("--threshold", str(file), "--false-alarm-rate", "5%"): "a rate of its own",
    }
    for options, fault in refused.items():
        assert main([*run, *options]) == 2
        assert fault in capsys.readouterr().err
