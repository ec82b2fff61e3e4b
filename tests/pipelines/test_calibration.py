"""From good images to thresholds, on miniatures."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import read_record
from reb_pipeline.pipelines.calibration import nodes
from reb_pipeline.project import shares_checks

BANK = ["ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density"]
PARAMS = {**SMALL, "ssl_finetune": {"enabled": False}, "memory_bank": {"coreset_ratio": 0.2}}
MONO = {"namespaces": ["mono"]}


def read_calibration(out, category="mono"):
    with newest(out / "06_models" / category, "calibration.npz").open("rb") as file:
        return read_record(Calibration, file, is_local=True)


def read_scores(out):
    scores = pd.read_parquet(newest(out / "07_model_output/mono", "scores.parquet"))
    return scores[scores["label"] == 0].sort_values("id")


@pytest.fixture
def elpv(tmp_path):
    """24 cells of mono to train with, 4 to calibrate with, 12 good ones to test with."""
    return {"data_root": str(miniatures.make_elpv(tmp_path / "images", good=40)), **PARAMS}


def copy_test_images(out, data_root, folder):
    """The good test images as those of another day; their scores are known from the evaluation."""
    folder.mkdir()
    for path in read_scores(out)["path"]:
        shutil.copy(f"{data_root}/{path}", folder)


def test_the_split_calibrates(run_project, elpv, messages_of):
    messages = messages_of(nodes.logger)
    params = {**elpv, "calibration": {"false_alarm_rate": 0.25}}

    out = run_project("elpv", params, pipeline_names=[*BANK, "calibration"], **MONO)

    calibration = read_calibration(out)
    samples = pd.read_parquet(newest(out / "03_primary/mono", "samples.parquet"))
    split = samples.loc[samples["split"] == "calibration", "id"].tolist()
    assert calibration.image_ids == split
    assert calibration.source == "calibration split"
    assert calibration.image_threshold == calibration.image_scores.max()  # one of five
    assert calibration.pixel_threshold == calibration.peak_scores.max()
    assert calibration.scoring["scorer"] == "ldknn"
    assert calibration.alpha == calibration.scoring["alpha"] == 1
    with np.load(newest(out / "06_models/mono", "held_out_patches.npz")) as held_out:
        np.testing.assert_array_equal(calibration.mean_features, held_out["mean_features"])
    assert messages == [f"mono: {calibration.statement()}"]
    assert "200 further good parts 40.0 are expected" in messages[0]
    figure = read_json(out / "08_reporting/mono", "calibration_figure.json")
    assert figure["layout"]["title"]["text"] == "mono: calibration by 4 good images"

    # Another rate needs no new search.
    params["calibration"] = {"false_alarm_rate": 0.5}
    run_project(
        "elpv",
        params,
        pipeline_names=["calibration"],
        from_nodes=["mono.calibration.calibrate"],
        **MONO,
    )
    assert read_calibration(out).image_threshold == np.sort(calibration.image_scores)[-2]
    assert len(list((out / "06_models/mono/calibration_patches.npz").iterdir())) == 1

    # The default rate needs more images.
    run_project(
        "elpv",
        elpv,
        pipeline_names=["calibration"],
        from_nodes=["mono.calibration.calibrate"],
        **MONO,
    )
    few = read_calibration(out)
    assert few.image_threshold == few.pixel_threshold == math.inf
    assert messages[2:] == [f"mono: {few.statement()}"]
    assert "5 % cannot be promised with 4 good images" in messages[2]


@pytest.mark.parametrize(("scorer", "where"), [("ldknn", "memory"), ("knn", "disk")])
def test_a_folder_is_scored_as_test_images_are(
    run_project, elpv, tmp_path, messages_of, scorer, where
):
    messages = messages_of(nodes.logger)
    scoring = {"scorer": scorer, "max_neighbors": 4, "n_neighbors": 3}
    params = {**elpv, "scoring": scoring}
    out = run_project("elpv", params, pipeline_names=[*BANK, "calibration", "evaluation"], **MONO)
    copy_test_images(out, elpv["data_root"], tmp_path / "day")
    folder = str(tmp_path / "day")
    if where == "memory":
        folder = miniatures.copy_to_memory(tmp_path / "day", f"day {scorer}")
    params["calibration"] = {"folder": folder, "false_alarm_rate": 0.1}

    run_project("elpv", params, pipeline_names=["calibration"], **MONO)

    calibration, scores = read_calibration(out), read_scores(out)
    assert calibration.source == folder
    assert calibration.image_ids == [path.split("/")[-1] for path in scores["path"]]
    np.testing.assert_allclose(calibration.image_scores, scores["image_score"], rtol=1e-5)
    assert calibration.image_threshold == calibration.image_scores.max()
    assert calibration.mean_features.shape[0] == 12
    assert messages[-1] == f"mono: {calibration.statement()}"  # of the first run, images left out


def test_copies_of_training_images_and_other_folders(run_project, elpv, tmp_path, messages_of):
    out = run_project("elpv", elpv, pipeline_names=BANK, **MONO)
    samples = pd.read_parquet(newest(out / "03_primary/mono", "samples.parquet"))
    seen = samples.loc[samples["split"] == "train", "path"].tolist()[:2]
    new = samples.loc[samples["label"] == 1, "path"].tolist()[:1]
    (tmp_path / "day").mkdir()
    for path in [*seen, *new]:
        shutil.copy(f"{elpv['data_root']}/{path}", tmp_path / "day")
    shutil.copy(f"{elpv['data_root']}/{new[0]}", tmp_path / "day/zzz.png")
    messages = messages_of(nodes.logger)
    params = {**elpv, "calibration": {"folder": f"{tmp_path}/day/", "false_alarm_rate": 0.25}}
    run_project("elpv", params, pipeline_names=["calibration"], **MONO)
    assert len(messages) == 2
    assert messages[0].startswith("mono: of 4 images in ")
    assert "2 are copies of training images and 1 of one another" in messages[0]
    assert read_calibration(out).n_images == 1  # a threshold of copies would be too low

    params["calibration"]["folder"] = str(tmp_path / "seen")
    (tmp_path / "seen").mkdir()
    shutil.copy(f"{elpv['data_root']}/{seen[0]}", tmp_path / "seen")
    with pytest.raises(InputError, match="All 1 images in calibration"):
        run_project("elpv", params, pipeline_names=["calibration"], **MONO)

    for other in (None, str(tmp_path)):
        params["calibration"] = {"folder": other}
        with pytest.raises(
            InputError, match=r"not those of calibration.folder = .*: run the pipeline"
        ):
            run_project(
                "elpv",
                params,
                pipeline_names=["calibration"],
                from_nodes=["mono.calibration.calibrate"],
                **MONO,
            )


def test_training_images_are_left_out_in_turn(run_project, tmp_path, messages_of):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    messages = messages_of(nodes.logger)
    params = {"data_root": str(root), **PARAMS, "calibration": {"false_alarm_rate": 0.3}}

    out = run_project(
        "mvtec_ad", params, pipeline_names=[*BANK, "calibration"], namespaces=["screw"]
    )

    calibration = read_calibration(out, "screw")
    assert calibration.source == "training images, each left out"
    assert sorted(calibration.image_ids) == [f"train/good/{n:03}" for n in range(8)]
    assert (calibration.method, calibration.guarantee) == ("leave_one_out", "simulated")
    assert calibration.image_threshold == np.sort(calibration.image_scores)[-2]
    assert calibration.pixel_threshold == np.sort(calibration.peak_scores)[-2]
    assert calibration.mean_features.shape[0] == 8
    assert messages == [f"screw: {calibration.statement()}"]
    assert messages[0].endswith("No proof covers this rate, simulations do.")


def test_leaving_out_what_fine_tuning_saw_promises_nothing(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    params = {"data_root": str(root), **SMALL, "calibration": {"false_alarm_rate": 0.3}}

    out = run_project(
        "mvtec_ad", params, pipeline_names=[*BANK, "calibration"], namespaces=["screw"]
    )

    calibration = read_calibration(out, "screw")
    assert calibration.fine_tuned is True
    assert calibration.guarantee == "none"
    assert "the rate is not promised" in calibration.statement()


@pytest.mark.parametrize(
    ("rate", "source"), [(0.25, "calibration split"), (0.05, "training images, each left out")]
)
def test_the_split_follows_from_the_rate(run_project, elpv, messages_of, rate, source):
    """Of 40 good cells 28 are not for the test: 3 or 4 of them can calibrate, but not the 19 of 5 %."""
    said = messages_of(shares_checks.logger)
    params = {**elpv, "calibration": {"false_alarm_rate": rate}}

    out = run_project("elpv", params, pipeline_names=[*BANK, "calibration"], **MONO)

    calibration = read_calibration(out)
    assert calibration.source == source
    assert calibration.n_images == (4 if rate == 0.25 else 28)
    assert calibration.is_promised
    assert said[0].startswith(
        f"mono: {100 * rate:g} % needs {3 if rate == 0.25 else 19} calibration images; of 40"
    )


def test_the_command_line_sets_the_number_of_calibration_images(run_project, elpv):
    params = {**elpv, "split": {"calibration": 9}, "calibration": {"false_alarm_rate": 0.1}}
    out = run_project("elpv", params, pipeline_names=["ingestion"], **MONO)
    samples = pd.read_parquet(newest(out / "03_primary/mono", "samples.parquet"))
    assert samples.loc[samples["label"] == 0, "split"].value_counts().to_dict() == {
        "train": 19, "test": 12, "calibration": 9
    }  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "split", "sentence"),
    [
        ("mvtec_ad", {"calibration": 9}, "split.calibration = 9 has no effect on the raw images"),
        ("elpv", {"calibraton": 9}, "'calibraton' is unknown: did you mean 'calibration'"),
        ("elpv", {"calibration": 28}, "split.calibration=28 takes all images that are left"),
        ("elpv", {"calibration": 1.5}, "calibration=1.5 is not possible"),
    ],
)
def test_a_split_that_cannot_be_writes_nothing(
    run_project, elpv, tmp_path, environment, split, sentence
):
    with pytest.raises(InputError, match=sentence):
        run_project(environment, {**elpv, "split": split}, pipeline_names=["ingestion"])
    assert not (tmp_path / "out").exists()


def test_chosen_settings_are_said(run_project, elpv):
    params = {
        **elpv,
        "scoring": {"alpha": "auto"},
        "calibration": {"false_alarm_rate": 0.25, "chosen_by_selection": True},
    }
    out = run_project("elpv", params, pipeline_names=[*BANK, "calibration"], **MONO)
    calibration = read_calibration(out)
    # Alpha is fitted on images of the bank, which the split leaves unseen.
    assert calibration.chosen_by == ["the pipeline selection"]
    assert calibration.guarantee == "none"
    assert "Settings were chosen with the same images" in calibration.statement()


def test_a_bank_of_one_image_promises_nothing(run_project, tmp_path, messages_of):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    for other in sorted((root / "screw/train/good").glob("0*.png"))[1:]:
        other.unlink()
    messages = messages_of(nodes.logger)
    params = {"data_root": str(root), **PARAMS}

    out = run_project(
        "mvtec_ad", params, pipeline_names=[*BANK, "calibration"], namespaces=["screw"]
    )

    calibration = read_calibration(out, "screw")
    assert calibration.n_images == 0
    assert calibration.image_threshold == math.inf
    assert "cannot be promised with 0 good images" in messages[0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"false_alarm_rate": 0}, r"calibration.false_alarm_rate cannot be used: .*\(given: 0\)"),
        ({"false_alarm_rate": 1}, r"calibration.false_alarm_rate cannot be used: .*\(given: 1\)"),
        ({"folders": "x"}, "'folders' is unknown: did you mean 'folder'"),
        ({"folder": "nowhere/at/all"}, "'nowhere/at/all' is no folder that is there"),
    ],
)
def test_bad_parameters_write_nothing(run_project, elpv, tmp_path, values, sentence):
    with pytest.raises(InputError, match=sentence):
        run_project(
            "elpv", {**elpv, "calibration": values}, pipeline_names=[*BANK, "calibration"], **MONO
        )
    assert not (tmp_path / "out").exists()


def test_a_broken_calibration_image_is_said_before_the_training(run_project, elpv, tmp_path):
    (tmp_path / "day").mkdir()
    (tmp_path / "day/cut.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    params = {**elpv, "calibration": {"folder": str(tmp_path / "day")}}
    with pytest.raises(InputError, match=r"Image 'cut.png' in calibration.folder = .* cannot be"):
        run_project("elpv", params, pipeline_names=[*BANK, "calibration"], **MONO)
    assert not (tmp_path / "out").exists()
