"""From good images to a feature decoder, and from there to residual maps and verdicts, on miniatures."""

import shutil

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core import resumable_training as training
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import ArraysDataset, Checkpoint
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from tiny_finetuning import exact

FEATURE = {"updates": 3, "batch_size": 4}
RESIDUALS = "reb_pipeline.reconstruction.residual_maps.ResidualMaps"
MAPS = "reb_pipeline.scoring.anomaly_maps.AnomalyMaps"
SCREW = {"namespaces": ["screw"]}
RECONSTRUCT = {"pipeline_names": ["ingestion", "feature_reconstruction"], **SCREW}
AGAIN = {"pipeline_names": ["feature_reconstruction"], **SCREW}


@pytest.fixture(autouse=True)
def _exact():
    with exact():
        yield


@pytest.fixture
def screw(tmp_path):
    """Seven images to train with, one held out, six to test with."""
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    return {"data_root": str(root), **SMALL, "feature_reconstruction": FEATURE}


def load(out, name, record):
    folder = out / ("06_models/screw" if name.startswith("held_out") else "07_model_output/screw")
    return ArraysDataset(filepath=str(newest(folder, f"{name}.npz")), record=record).load()


def versions(folder, name):
    return len(list((folder / name).iterdir()))


def test_good_images_become_verdicts(run_project, screw):
    out = run_project("mvtec_ad", screw, **RECONSTRUCT)

    models, reports = out / "06_models/screw", out / "08_reporting/screw"
    history = read_json(models, "feature_decoder_history.json")
    assert [update["update"] for update in history["updates"]] == [1, 2, 3]
    assert [validation["update"] for validation in history["validations"]] == [3]
    samples = pd.read_parquet(newest(out / "03_primary/screw", "samples.parquet"))
    residuals = load(out, "feature_residuals", RESIDUALS)
    held_out = load(out, "held_out_feature_residuals", RESIDUALS)
    assert residuals.image_ids == samples.loc[samples["split"] == "test", "id"].tolist()
    assert held_out.image_ids == samples.loc[samples["split"] == "train", "id"].tolist()[:1]
    assert residuals.levels.shape == (6, 3, 16, 16)  # the finest of strides 4, 8 and 16
    assert residuals.decoder_fingerprint == held_out.decoder_fingerprint
    # A level's usual residual is 1; upsampling moves the mean a little.
    np.testing.assert_allclose(held_out.levels.mean(axis=(0, 2, 3)), 1, rtol=0.05)
    scores = pd.read_parquet(
        newest(out / "07_model_output/screw", "feature_reconstruction_scores.parquet")
    )
    maps: AnomalyMaps = load(out, "feature_reconstruction_maps", MAPS)
    assert scores["id"].tolist() == maps.image_ids == residuals.image_ids
    assert (maps.size, maps.sigma) == (64, 4.0)
    np.testing.assert_allclose(maps.patch_scores, residuals.levels.prod(axis=1), rtol=1e-4)
    blocks = maps.patch_scores[:, :15, :15].reshape(6, 5, 3, 5, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(scores["image_score"], blocks.max(axis=(1, 2)), rtol=1e-5)
    metrics = read_json(reports, "feature_reconstruction_metrics.json")
    assert (metrics["good_images"], metrics["anomalous_images"]) == (3, 3)
    assert {"image_auroc", "pixel_auroc", "au_pro"} <= metrics.keys()
    for figure in ("residual_maps.png", "feature_decoder_curve.json"):
        assert newest(reports, figure).stat().st_size > 1000

    # Another fusion needs no training and no forward pass.
    params = {**screw, "feature_reconstruction": {**FEATURE, "fusion": "sum"}}
    run_project(
        "mvtec_ad", params, from_nodes=["screw.feature_reconstruction.fuse_residual_maps"], **AGAIN
    )
    total = load(out, "feature_reconstruction_maps", MAPS).patch_scores
    np.testing.assert_allclose(total, residuals.levels.sum(axis=1), rtol=1e-5)
    assert versions(models, "feature_decoder.safetensors") == 1
    assert versions(out / "07_model_output/screw", "feature_residuals.npz") == 1


def test_what_does_not_fit_the_decoder_is_refused(run_project, screw):
    run_project(
        "mvtec_ad",
        screw,
        **RECONSTRUCT,
        to_nodes=["screw.feature_reconstruction.train_feature_decoder"],
    )
    other_loss = {**screw, "feature_reconstruction": {**FEATURE, "loss": "squared"}}
    other_size = {**screw, "features": {**SMALL["features"], "image_size": 96}}
    for params, sentence in (
        (other_loss, "with loss = 'cosine', not 'squared': run the pipeline feature_reconstruct"),
        (other_size, "with image_size = 64, not 96: run the pipeline feature_reconstruction again"),
    ):
        with pytest.raises(InputError, match=sentence):
            run_project(
                "mvtec_ad",
                params,
                from_nodes=["screw.feature_reconstruction.reconstruct_features"],
                **AGAIN,
            )

    reweighted = {"scorer": "nearest", "image_score": "reweighted"}
    with pytest.raises(
        InputError, match=r"image score reweighted compares the neighbours.*block_max"
    ):
        run_project(
            "mvtec_ad",
            {**screw, "scoring": reweighted},
            from_nodes=["screw.feature_reconstruction.reconstruct_features"],
            **AGAIN,
        )


def test_an_interrupted_training_ends_with_the_same_bytes(
    run_project, screw, tmp_path, monkeypatch
):
    until = {**RECONSTRUCT, "to_nodes": ["screw.feature_reconstruction.train_feature_decoder"]}
    out = run_project("mvtec_ad", screw, **until)
    write, writes = Checkpoint.write, []

    def write_and_stop(checkpoint, state):
        write(checkpoint, state)
        writes.append(len(state["history"]["updates"]))
        if len(writes) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(Checkpoint, "write", write_and_stop)
    other = tmp_path / "other"
    shutil.copytree(out / "03_primary", other / "03_primary")
    params = {**screw, "output_root": str(other)}
    train = {**AGAIN, "to_nodes": ["screw.feature_reconstruction.train_feature_decoder"]}
    with pytest.raises(KeyboardInterrupt):
        run_project("mvtec_ad", params, **train)
    run_project("mvtec_ad", params, **train)

    assert writes == [1, 2, 3]
    for name in ("feature_decoder.safetensors", "feature_decoder_history.json"):
        one, same = (newest(root / "06_models/screw", name) for root in (out, other))
        assert one.read_bytes() == same.read_bytes()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"loss": "l1"}, r"feature_reconstruction.loss cannot be used: .*\(given: 'l1'\)"),
        ({"fusion": "max"}, r"feature_reconstruction.fusion cannot be used: .*\(given: 'max'\)"),
        ({"updates": 0}, r"feature_reconstruction.updates cannot be used: .*\(given: 0\)"),
        ({"update": 5}, "'update' is unknown: did you mean 'updates'"),
    ],
)
def test_bad_parameters_write_nothing(run_project, screw, tmp_path, values, sentence):
    with pytest.raises(InputError, match=sentence):
        run_project("mvtec_ad", {**screw, "feature_reconstruction": values}, **RECONSTRUCT)
    assert not (tmp_path / "out").exists()
