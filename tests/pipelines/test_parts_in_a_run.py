"""Runs over parts of two views: what calibrates and what is counted are parts."""

import shutil

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.calibration.parts import Views
from reb_pipeline.calibration.record import LEFT_OUT, Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import read_record

PATTERN = r"^(.*)_\d+$"


def write_parts(folder, parts, first, kind="good"):
    for part in range(parts):
        for view in range(2):
            image = miniatures.draw_part(first + 2 * part + view, kind if view else "good")[0]
            miniatures.write_image(folder / f"{part:02}_{view}.png", image)


@pytest.fixture
def params(tmp_path):
    root = tmp_path / "photos"
    write_parts(root / "part/good", 24, 0)
    write_parts(root / "part/dark_spot", 2, 200, "dark_spot")
    return {
        "data_root": str(root),
        "split": {"group_by": PATTERN},
        **SMALL,
        "ssl_finetune": {"enabled": False},
        "memory_bank": {"coreset_ratio": 0.2},
        "calibration": {"false_alarm_rate": 0.25},
    }


def read_calibration(out):
    with newest(out / "06_models/part", "calibration.npz").open("rb") as file:
        return read_record(Calibration, file, is_local=True)


def test_parts_calibrate_and_are_counted(run_project, params, tmp_path):
    ends = ["part.calibration.calibrate", "part.evaluation.compute_metrics"]
    out = run_project("folder", params, to_nodes=ends)
    samples = pd.read_parquet(newest(out / "03_primary/part", "samples.parquet"))
    assert len(samples[["part", "split"]].drop_duplicates()) == samples["part"].nunique()
    by_split = samples[samples["label"] == 0].groupby("split")["part"].unique()
    calibration = read_calibration(out)
    assert sorted(calibration.image_ids) == sorted(by_split["calibration"])
    assert calibration.views == Views(PATTERN, 2)
    assert len(calibration.mean_features) == 2 * calibration.n_images
    scores = pd.read_parquet(newest(out / "07_model_output/part", "scores.parquet"))
    report = read_json(out / "08_reporting/part", "metrics.json")
    flagged = report["at_threshold"]
    of_parts = scores.groupby("part")["image_score"].max() > calibration.image_threshold
    good = of_parts.index.isin(by_split["test"])
    assert flagged["calibration_images"] == len(by_split["calibration"]) == 3
    assert flagged["false_alarms"]["images"] == report["good_images"] == len(by_split["test"]) == 7
    assert flagged["false_alarms"]["flagged"] == of_parts[good].sum()
    assert (flagged["found"]["images"], flagged["found"]["flagged"]) == (2, of_parts[~good].sum())

    # A lower rate leaves parts out in turn, a folder has parts too.
    params["calibration"] = {"false_alarm_rate": 0.08}
    run_project("folder", params, pipeline_names=["calibration"])
    calibration = read_calibration(out)
    assert calibration.source == LEFT_OUT
    assert sorted(calibration.image_ids) == sorted(by_split["train"])
    assert np.isfinite(calibration.image_threshold)
    write_parts(tmp_path / "day", 5, 300)
    params["calibration"] = {"false_alarm_rate": 0.25, "folder": str(tmp_path / "day")}
    run_project("folder", params, pipeline_names=["calibration"])
    assert read_calibration(out).image_ids == [f"{part:02}" for part in range(5)]
    shutil.copy(tmp_path / "day/00_1.png", tmp_path / "day/00_2.png")
    with pytest.raises(
        InputError, match=r"the good part '0\d' of .* has 2 and the good part '00' 3"
    ):
        run_project("folder", params, pipeline_names=["calibration"])
