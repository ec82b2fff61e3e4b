"""Memory bank and feature reconstruction as one detector, on miniatures."""

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import ArraysDataset
from reb_pipeline.scoring.anomaly_maps import resize_map
from reb_pipeline.scoring.surprise import surprise

PARAMS = {
    **SMALL,
    "ssl_finetune": {"enabled": False},
    "memory_bank": {"coreset_ratio": 0.2},
    "scoring": {"alpha": 0.0},  # plain squared distances
    "feature_reconstruction": {"updates": 3, "batch_size": 4},
}
BANK = [
    "ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density", "evaluation"
]  # fmt: skip
WANTED = [
    "mono.evaluation.score_images",
    "mono.feature_reconstruction.fuse_residual_maps",
    "mono.hybrid.compute_hybrid_metrics",
    "mono.hybrid.draw_comparison",
]
MONO = {"namespaces": ["mono"]}


def load(out, file, record):
    path, name = out / file.rpartition("/")[0], file.rpartition("/")[2]
    return ArraysDataset(filepath=str(newest(path, name)), record=f"reb_pipeline.{record}").load()


def read_scores(out, name):
    return pd.read_parquet(newest(out / "07_model_output/mono", f"{name}.parquet"))


def test_both_detectors_count(run_project, tmp_path):
    root = miniatures.make_elpv(tmp_path / "images")
    params = {"data_root": str(root), **PARAMS}
    steps = [*BANK, "feature_reconstruction", "hybrid"]
    out = run_project("elpv", params, pipeline_names=steps, to_nodes=WANTED, **MONO)

    found, reconstructed = (
        read_scores(out, "scores"),
        read_scores(out, "feature_reconstruction_scores"),
    )
    scores = read_scores(out, "hybrid_scores")
    assert scores["id"].tolist() == found["id"].tolist()
    np.testing.assert_array_equal(scores["memory_bank"], found["image_score"])
    np.testing.assert_array_equal(scores["feature_reconstruction"], reconstructed["image_score"])

    residuals, nearest = (
        "reconstruction.residual_maps.ResidualMaps",
        "memory_bank.nearest_patches.NearestPatches",
    )
    maps = load(out, "07_model_output/mono/hybrid_maps.npz", "scoring.anomaly_maps.AnomalyMaps")
    test = load(out, "07_model_output/mono/feature_residuals.npz", residuals)
    good = load(out, "06_models/mono/held_out_feature_residuals.npz", residuals)
    searched = load(out, "07_model_output/mono/nearest_patches.npz", nearest)
    good_searched = load(out, "06_models/mono/held_out_patches.npz", nearest)
    assert good.image_ids == good_searched.image_ids
    of_bank = surprise(searched.squared_distances[..., 0], good_searched.squared_distances[..., 0])
    of_decoder = surprise(test.levels.prod(axis=1), good.levels.prod(axis=1))
    fine = np.stack([resize_map(grid, (16, 16)) for grid in of_bank])
    np.testing.assert_allclose(maps.patch_scores, (fine + of_decoder) / 2, rtol=1e-4)
    assert maps.image_ids == scores["id"].tolist()

    metrics = read_json(out / "08_reporting/mono", "hybrid_metrics.json")
    figure = read_json(out / "08_reporting/mono", "hybrid_comparison.json")
    assert metrics["good_images"] == (scores["label"] == 0).sum()
    assert figure["layout"]["title"]["text"].endswith(
        f"image AUROC {100 * metrics['image_auroc']:.2f} %"
    )

    # A test image fewer is reconstructed now, but was searched for.
    (root / scores["path"].iloc[0]).unlink()
    lines = (root / "labels.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if scores["path"].iloc[0] not in line]
    (root / "labels.csv").write_text("".join(kept))
    again = {"pipeline_names": ["ingestion", "feature_reconstruction"], **MONO}
    run_project(
        "elpv", params, to_nodes=["mono.feature_reconstruction.reconstruct_features"], **again
    )
    with pytest.raises(
        InputError, match=r"nearest patches are those of other images .*run the pipeline evaluation"
    ):
        run_project("elpv", params, pipeline_names=["hybrid"], **MONO)
