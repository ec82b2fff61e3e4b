"""From good images to three reconstructions, their comparison and their figure."""

import pickle

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.metrics.image import IMAGE_METRICS
from reb_pipeline.metrics.pixel import PIXEL_METRICS
from reb_pipeline.pipelines.pixel_reconstruction.pipeline import MODELS
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from tiny_finetuning import exact

BUDGET = {"loss": "l2", "image_size": 32, "updates": 3, "batch_size": 4}
PIPELINES = ["ingestion", "defect_synthesis", "pixel_reconstruction"]


@pytest.fixture(autouse=True)
def _exact():
    with exact():
        yield


@pytest.fixture
def params(tmp_path):
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    return {"data_root": str(root), **SMALL, "pixel_reconstruction": BUDGET}


def test_models_are_the_known_ones():
    assert list(MODELS) == list(PIXEL_MODELS)
    for train in MODELS.values():
        assert pickle.loads(pickle.dumps(train)) is train  # as a parallel runner does


def test_three_models_are_trained_compared_and_drawn(run_project, params):
    out = run_project("folder", params, pipeline_names=PIPELINES)

    for model in MODELS:
        history = read_json(out / "06_models/part", f"pixel_history_{model}.json")
        assert [update["update"] for update in history["updates"]] == [1, 2, 3]
        assert [validation["update"] for validation in history["validations"]] == [3]
        assert (out / f"05_model_input/part/pixel_checkpoint_{model}.pt").exists()
    table = pd.read_parquet(newest(out / "08_reporting/part", "pixel_reconstruction_table.parquet"))
    assert table["model"].tolist() == list(MODELS)
    assert (table["loss"] == "l2").all()
    metrics = [*IMAGE_METRICS, *PIXEL_METRICS]
    assert table[metrics].map(lambda value: 0 <= value <= 1).all(axis=None)
    assert np.isfinite(table["reconstructed_share"]).all()
    scores = pd.read_parquet(
        newest(out / "07_model_output/part", "pixel_reconstruction_scores.parquet")
    )
    assert (scores.groupby("model")["label"].sum() == len(miniatures.DEFECTS)).all()
    figure = newest(out / "08_reporting/part", "pixel_reconstructions.png")
    assert figure.stat().st_size > 10_000

    # A model of its own budget, the others as they are; an image score that knows neighbours is refused.
    of_pixels = {"pipeline_names": ["pixel_reconstruction"]}
    small = {**params, "pixel_reconstruction": {**BUDGET, "image_size": 40, "loss": "ssim"}}
    run_project(
        "folder",
        small,
        **of_pixels,
        node_names=["part.pixel_reconstruction.train_skip_autoencoder"],
    )
    run_project(
        "folder", params, **of_pixels, node_names=["part.pixel_reconstruction.score_pixel_models"]
    )
    table = pd.read_parquet(newest(out / "08_reporting/part", "pixel_reconstruction_table.parquet"))
    assert table["loss"].tolist() == ["l2", "l2", "ssim"]
    scoring = {"image_score": "reweighted", "scorer": "nearest", "normalization": "none"}
    with pytest.raises(InputError, match="image score reweighted compares the neighbours"):
        run_project(
            "folder",
            {**params, "scoring": scoring},
            **of_pixels,
            node_names=["part.pixel_reconstruction.score_pixel_models"],
        )
