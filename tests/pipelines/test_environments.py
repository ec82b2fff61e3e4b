"""A miniature of every layout goes through its environment."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import miniatures
import packed_miniatures
from conftest import SMALL, newest, read_json
from plain_tables import check_plain
from reb_pipeline.core.errors import InputError
from reb_pipeline.metrics.image import IMAGE_METRICS
from reb_pipeline.metrics.pixel import PIXEL_METRICS
from reb_pipeline.metrics.registry import METRICS


@pytest.mark.parametrize(
    ("env", "make", "category", "defect_types", "metrics"),
    [
        ("mvtec_ad", miniatures.make_mvtec_ad, "screw", 2, IMAGE_METRICS | PIXEL_METRICS),
        ("mvtec_loco", miniatures.make_mvtec_loco, "pushpins", 2, METRICS),
        ("btad", miniatures.make_btad, "01", 1, IMAGE_METRICS | PIXEL_METRICS),
        ("visa", miniatures.make_visa, "candle", 1, IMAGE_METRICS | PIXEL_METRICS),
        (
            "magnetic_tile",
            miniatures.make_magnetic_tile,
            "magnetic_tile",
            2,
            IMAGE_METRICS | PIXEL_METRICS,
        ),
        ("elpv", miniatures.make_elpv, "mono", 1, IMAGE_METRICS),
        ("base", miniatures.make_elpv, "poly", 1, IMAGE_METRICS),
        ("fashion_mnist", packed_miniatures.make_fashion_mnist, "t_shirt", 2, IMAGE_METRICS),
        ("cifar10", packed_miniatures.make_cifar10, "airplane", 2, IMAGE_METRICS),
    ],
)
def test_environment_runs_its_layout(
    run_project, tmp_path, env, make, category, defect_types, metrics
):
    root = make(tmp_path / "images")

    out = run_project(env, {"data_root": str(root), **SMALL}, namespaces=[category])

    report = read_json(out / "08_reporting" / category, "metrics.json")
    assert {name for name, value in report.items() if isinstance(value, float)} == set(metrics)
    assert report["image_auroc"] >= 0.9  # the drawn blobs are plain to see
    assert len(report["per_defect_type"]) == defect_types
    assert ("structural_logical_mean" in report) == (env == "mvtec_loco")
    scores = pd.read_parquet(newest(out / "07_model_output" / category, "scores.parquet"))
    assert np.isfinite(scores["image_score"]).all()
    assert len(scores) == report["good_images"] + report["anomalous_images"]
    assert category in newest(out / "08_reporting" / category, "report.html").read_text()


@pytest.mark.parametrize(
    ("env", "remedy"),
    [
        ("fashion_mnist", "Debian's package dataset-fashion-mnist"),
        ("mnist", r"torchvision\.datasets\.MNIST"),
        ("cifar10", r"torchvision\.datasets\.CIFAR10"),
    ],
)
def test_missing_files_of_one_vs_rest_are_named_before_the_run(run_project, tmp_path, env, remedy):
    with pytest.raises(InputError, match=remedy):
        run_project(env, {"data_root": str(tmp_path)}, pipeline_names=["ingestion"])
    assert not (tmp_path / "out").exists()


def test_folder_environment_runs_whole(run_project, tmp_path, capsys):
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")

    out = run_project("folder", {"data_root": str(root), **SMALL})

    table = pd.read_parquet(newest(out / "08_reporting", "summary.parquet"))
    check_plain(table)
    assert table["category"].tolist() == ["part"]
    report = read_json(out / "08_reporting/part", "metrics.json")
    assert table["image_auroc"].tolist() == [report["image_auroc"]]
    printed = capsys.readouterr().out
    assert f"{100 * report['image_auroc']:.2f}" in printed
    assert "hardest_images.png" in printed
    assert "report.html" in printed


def test_two_runs_give_the_same_bytes(run_project, tmp_path):
    root = miniatures.make_magnetic_tile(tmp_path / "images")
    params = {"data_root": str(root), **SMALL, "memory_bank": {"coreset_ratio": 0.3}}

    for _ in range(2):
        out = run_project("magnetic_tile", params)
        (out / "05_model_input/magnetic_tile/finetuning_checkpoint.pt").unlink()  # train anew

    for file in (
        "05_model_input/magnetic_tile/synthetic_defects.npz",
        "06_models/magnetic_tile/backbone.safetensors",
        "08_reporting/magnetic_tile/metrics.json",
        "08_reporting/magnetic_tile/roc_curve.json",
    ):
        versions, name = sorted((out / file).iterdir()), Path(file).name
        first, second = (version.joinpath(name).read_bytes() for version in versions)
        assert first == second


def test_steps_run_one_by_one_and_leave_a_manifest(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    params = {"data_root": str(root), **SMALL}
    steps = (
        "ingestion",
        "defect_synthesis",
        "ssl_finetune",
        "memory_bank",
        "ldknn_density",
        "calibration",
        "evaluation",
    )
    for step in steps:
        out = run_project("mvtec_ad", params, pipeline_names=[step], namespaces=["screw"])

    manifest = read_json(out / "08_reporting", "run_manifest.json")
    banks = [v.name for v in (out / "06_models/screw/memory_bank.npz").iterdir()]
    assert banks == [manifest["inputs"]["screw.memory_bank"]]
    backbones = [v.name for v in (out / "06_models/screw/backbone.safetensors").iterdir()]
    assert backbones == [manifest["inputs"]["screw.backbone"]]
    assert manifest["inputs"]["screw.raw_images"]["filepath"] == str(root)
    assert manifest["outputs"]["metrics_screw"] == manifest["run_id"]
    assert manifest["parameters"]["screw"]["features"]["image_size"] == 64
    assert "memory_bank" not in manifest["parameters"]["screw"]  # no step of this run read it
    assert manifest["packages"]["kedro"].startswith("1.7")
    assert manifest["run"]["namespaces"] == ["screw"]


def test_another_alpha_needs_no_new_search(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    params = {"data_root": str(root), **SMALL}
    run_project("mvtec_ad", params, namespaces=["screw"])
    plain = {**params, "scoring": {"alpha": 0.0, "n_neighbors": 3}}

    with pytest.raises(
        InputError, match=r"fitted with .*n_neighbors = 9, not 3: run from .*fit_det"
    ):
        run_project(
            "mvtec_ad", plain, from_nodes=["screw.evaluation.score_images"], namespaces=["screw"]
        )
    out = run_project(
        "mvtec_ad", plain, from_nodes=["screw.ldknn_density.fit_detector"], namespaces=["screw"]
    )

    scores = [
        pd.read_parquet(version / "scores.parquet")["image_score"]
        for version in sorted((out / "07_model_output/screw/scores.parquet").iterdir())
    ]
    assert len(list((out / "07_model_output/screw/nearest_patches.npz").iterdir())) == 1
    assert (scores[1] > scores[0]).all()  # nothing is subtracted any more


def test_scorers_share_a_search_that_is_deep_enough(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    bank = {"distance": "mahalanobis", "coreset_ratio": 0.2}
    params = {"data_root": str(root), **SMALL, "memory_bank": bank}
    run_project("mvtec_ad", params, namespaces=["screw"])

    def score(scoring, **selection):
        given = {**params, "scoring": {"n_neighbors": 4, **scoring}}
        run_project("mvtec_ad", given, namespaces=["screw"], **selection)

    again = {"from_nodes": ["screw.ldknn_density.fit_detector"]}
    with pytest.raises(
        InputError, match=r"scorer knn .* 1 were kept: run the pipelines ldknn_dens"
    ):
        score({"scorer": "knn"}, **again)
    score({"scorer": "lof"}, pipeline_names=["ldknn_density", "calibration", "evaluation"])
    score({"scorer": "nearest", "image_score": "reweighted"}, **again)

    out = tmp_path / "out/07_model_output/screw"
    assert len(list((out / "nearest_patches.npz").iterdir())) == 2
    scores = [pd.read_parquet(v / "scores.parquet") for v in (out / "scores.parquet").iterdir()]
    assert len({tuple(one["image_score"]) for one in scores}) == 3
    assert all(np.isfinite(one["image_score"]).all() for one in scores)


def test_interrupted_run_resumes(run_project, tmp_path):
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    params = {"data_root": str(root), **SMALL}
    steps = ["ingestion", "defect_synthesis", "ssl_finetune", "memory_bank"]
    out = run_project("folder", params, pipeline_names=steps)
    before = read_json(out / "08_reporting", "run_manifest.json")

    run_project("folder", params, only_missing_outputs=True)

    manifest = read_json(out / "08_reporting", "run_manifest.json")
    assert len(list((out / "06_models/part/memory_bank.npz").iterdir())) == 1
    assert manifest["outputs"]["part.memory_bank"] == before["run_id"]
    assert manifest["outputs"]["metrics_part"] == manifest["run_id"]
