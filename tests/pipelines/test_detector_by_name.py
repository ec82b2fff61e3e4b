"""Any detector by its name, scored and calibrated, on miniatures."""

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import read_record
from reb_pipeline.datasets import ELPVDataset
from reb_pipeline.inspection import Inspector

pytest.importorskip("onnxscript")

PARAMS = {
    **SMALL,
    "ssl_finetune": {"enabled": False},
    "memory_bank": {"coreset_ratio": 0.2},
    "calibration": {"false_alarm_rate": 0.25},
    "feature_reconstruction": {"updates": 2, "batch_size": 4},
    "pixel_reconstruction": {"updates": 2, "batch_size": 4},
}
BEFORE = ["ingestion", "defect_synthesis", "ssl_finetune"]
MONO = {"namespaces": ["mono"]}


def params_of(root, detector, **scoring):
    return {**PARAMS, "data_root": str(root), "scoring": {"detector": detector, **scoring}}


def read_scores(out, name):
    return pd.read_parquet(newest(out / "07_model_output/mono", f"{name}.parquet"))


def read_calibration(out, name="detection_calibration.npz", category="mono"):
    with newest(out / "06_models" / category, name).open("rb") as file:
        return read_record(Calibration, file, is_local=True)


def test_detectors_run_by_their_names(run_project, tmp_path):
    root = miniatures.make_elpv(tmp_path / "images", good=40)
    steps = [*BEFORE, "memory_bank", "ldknn_density", "calibration", "evaluation", "detection"]
    out = run_project("elpv", params_of(root, "memory_bank"), pipeline_names=steps, **MONO)

    own, by_name = read_scores(out, "scores"), read_scores(out, "detection_scores")
    np.testing.assert_allclose(by_name["image_score"], own["image_score"], rtol=1e-5)
    one, other = read_calibration(out), read_calibration(out, "calibration.npz")
    np.testing.assert_allclose(one.image_scores, other.image_scores, rtol=1e-5)
    assert one.image_ids == other.image_ids

    for name, rate in (("padim", 0.25), ("gde", 0.05)):  # the second one needs more than the split
        params = params_of(root, name) | {"calibration": {"false_alarm_rate": rate}}
        packaging = ["detection", "detection_packaging"]
        run_project("elpv", params, pipeline_names=packaging, **MONO)
        scores, calibration = read_scores(out, "detection_scores"), read_calibration(out)
        assert set(scores["detector"]) == {name}
        assert np.isfinite(scores["image_score"]).all()
        assert calibration.method == ("split" if name == "padim" else "leave_one_out")
        assert calibration.is_promised
        assert calibration.image_threshold == calibration.image_scores.max()
        metrics = read_json(out / "08_reporting/mono", "detection_metrics.json")
        assert metrics["detector"] == name
        flagged = (scores["image_score"] > calibration.image_threshold) & (scores["label"] == 0)
        assert metrics["at_threshold"]["false_alarms"]["flagged"] == flagged.sum()
        check_package(out, scores, root)

    with pytest.raises(InputError, match=r"'padim' has no memory bank.* detection_packaging"):
        run_project("elpv", params_of(root, "padim"), pipeline_names=["full"], **MONO)
    for name, message in (
        ("spade", "spade is not packaged"),
        ("memory_bank", "pipeline packaging"),
    ):
        steps = ["detection_packaging"]
        with pytest.raises(InputError, match=message):
            run_project("elpv", params_of(root, name), pipeline_names=steps, **MONO)


def check_package(out, scores, root):
    """Inspect the test images with the package of the pipeline."""
    inspector = Inspector.load(newest(out / "06_models/mono", "model"))
    images = ELPVDataset(path=str(root), category="mono").load()
    found = [inspector.inspect(images.open_image(path)) for path in scores["path"]]
    np.testing.assert_allclose([one.image_score for one in found], scores["image_score"], rtol=1e-3)
    assert inspector.explain(found[0]) == []
    parity = read_json(out / "08_reporting/mono", "package_parity.json")
    assert parity["score_difference"] <= parity["tolerance"]
    assert parity["verdicts_differ"] == 0


def test_an_image_score_that_compares_neighbours_is_refused_before_the_run(run_project, tmp_path):
    scoring = {"scorer": "nearest", "image_score": "reweighted", "normalization": "none"}
    with pytest.raises(InputError, match=r"compares neighbours, which detector = padim does not"):
        run_project("elpv", params_of(tmp_path, "padim", **scoring), pipeline_names=["detection"])


def test_mvtec_loco_runs_detectors_by_their_names_and_a_global_branch(run_project, tmp_path):
    root = miniatures.make_mvtec_loco(tmp_path / "images")
    miniatures.write_good(root / "pushpins/train/good", 22)
    common = {**SMALL, "ssl_finetune": {"enabled": False}, "data_root": str(root)}
    steps = [*BEFORE, "memory_bank", "ldknn_density", "calibration", "evaluation"]
    pushpins = {"namespaces": ["pushpins"]}
    branch = {**common, "scoring": {"global_branch": "parts"}}

    out = run_project("mvtec_loco", branch, pipeline_names=steps, **pushpins)

    scores = pd.read_parquet(newest(out / "07_model_output/pushpins", "scores.parquet"))
    assert (scores["global_score"] >= 0).all()
    report = read_json(out / "08_reporting/pushpins", "metrics.json")
    assert "structural_logical_mean" in report
    padim = {**common, "scoring": {"detector": "padim"}}
    run_project("mvtec_loco", padim, pipeline_names=["detection"], **pushpins)
    found = read_json(out / "08_reporting/pushpins", "detection_metrics.json")
    assert found["detector"] == "padim"
    assert "structural_logical_mean" in found
