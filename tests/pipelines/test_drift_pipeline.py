"""From tables of inspections to a report: the newest parts of the calibration's own model, each once."""

import numpy as np
import pandas as pd
import pytest
from kedro.io import Version

from conftest import newest, read_json
from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import EMPTY, from_text, to_text
from reb_pipeline.datasets import ArraysDataset, TableDataset
from reb_pipeline.pipelines.drift.history import latest_parts

RNG = np.random.default_rng(0)
CHANNELS = 4


def calibration_of(n=60):
    scores = RNG.gamma(4, 1, n).astype(np.float32)
    features = RNG.normal(size=(n, CHANNELS)).astype(np.float32)
    ids = [str(index) for index in range(n)]
    return Calibration(scores, scores, ids, 0.05, "a folder", 0.0, "a coreset", {}, features)


CALIBRATION = calibration_of()


def inspected(day, n=40, shift=0.0, calibration=CALIBRATION, unreadable=0):
    scores = RNG.gamma(4, 1, n).astype(np.float32).astype(float) + shift
    table = pd.DataFrame(
        {
            "path": [f"{day:02}/{index}.png" for index in range(n)],
            "image_score": scores,
            "p_value": calibration.p_values(scores),
            "verdict": "good",
            "time": [f"2026-01-{day:02}T00:00:{index:02}.000+00:00" for index in range(n)],
            "mean_features": [to_text(RNG.normal(size=CHANNELS) + shift) for _ in range(n)],
        }
    )
    broken = table.tail(unreadable).index
    table.loc[broken, ["image_score", "p_value"]] = None
    table.loc[broken, ["verdict", "mean_features"]] = "unreadable", EMPTY
    return table


def opened(**tables):
    return {name: (lambda table=table: table) for name, table in tables.items()}


def test_parts_of_several_days_oldest_first():
    first, second = inspected(1, unreadable=3), inspected(2)
    resumed = pd.concat([second, inspected(3)])  # its table holds what was inspected before
    history = opened(v1=first, v2=second, v3=resumed)
    parts = latest_parts(history, CALIBRATION, 1000)
    assert len(parts) == 37 + 40 + 40
    assert parts["time"].is_monotonic_increasing
    assert latest_parts(history, CALIBRATION, 50)["path"].tolist() == parts["path"].tolist()[-50:]


def test_tables_written_before_are_read(tmp_path):
    """Their column of features had another name, and lists."""
    first, second = inspected(1), inspected(2)
    file = tmp_path / "inspections.parquet"
    lists = first["mean_features"].map(from_text)
    first.drop(columns="mean_features").assign(features_mean=lists).to_parquet(file)
    before = TableDataset(filepath=str(file)).load()
    parts = latest_parts(opened(v1=before, v2=second), CALIBRATION, 1000)
    expected = [*first["mean_features"], *second["mean_features"]]
    assert parts["mean_features"].map(from_text).tolist() == [*map(from_text, expected)]
    assert "features_mean" not in parts


def test_parts_without_a_score_are_left_out():
    """An image whose scores are no numbers is undecided, by a model that has a threshold."""
    table = inspected(1, unreadable=2)
    table.loc[table.index[-1], "verdict"] = "undecided"
    assert len(latest_parts(opened(v1=table), CALIBRATION, 1000)) == 38


def test_enough_parts_need_no_older_table():
    def open_older():
        raise AssertionError

    history = {"v1": open_older, **opened(v2=inspected(2))}
    assert len(latest_parts(history, CALIBRATION, 40)) == 40


def test_parts_of_another_calibration_are_left_out():
    other = calibration_of(50)
    history = opened(v1=inspected(1), v2=inspected(2, calibration=other), v3=inspected(3))
    assert set(latest_parts(history, CALIBRATION, 1000)["path"].str[:2]) == {"03"}
    with pytest.raises(InputError, match=r"'v3' were made with another calibration"):
        latest_parts(history, other, 1000)


def test_nothing_was_inspected():
    with pytest.raises(InputError, match="run the pipeline inspection"):
        latest_parts(opened(v1=inspected(1, n=2, unreadable=2)), CALIBRATION, 10)


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, "fine"), (3.0, "recalibrate")])
def test_pipeline_reports_and_draws(run_project, tmp_path, shift, verdict):
    out = tmp_path / "out"

    def save(kind, file, version, data, **options):
        kind(filepath=str(out / file), version=Version(version, version), **options).save(data)

    record = "reb_pipeline.calibration.record.Calibration"
    day = "2026-01-{:02}T10.00.00.000Z".format
    save(ArraysDataset, "06_models/screw/calibration.npz", day(1), CALIBRATION, record=record)
    tables = "07_model_output/screw/inspections.parquet"
    for number in (2, 3):
        save(TableDataset, tables, day(number), inspected(number, shift=shift, unreadable=1))

    params = {"drift": {"last": 70, "window": 30}}
    run_project("mvtec_ad", params, pipeline_names=["drift"], namespaces=["screw"])

    report = read_json(out / "08_reporting/screw", "drift.json")
    assert report["verdict"] == verdict
    assert (report["parts"], len(report["windows"])) == (70, 2)
    assert report["last"] == "2026-01-03T00:00:38.000+00:00"  # the one after is unreadable
    figure = read_json(out / "08_reporting/screw", "drift_figure.json")
    assert figure["layout"]["title"]["text"] == f"The last 70 parts: {verdict}"
    assert newest(out / "08_reporting", "run_manifest.json").exists()
