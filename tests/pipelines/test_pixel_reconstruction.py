"""From good images to three reconstructions, their comparison and their figure."""

import pickle

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import PlainFolderDataset
from reb_pipeline.defectmaker.records import SyntheticDefects
from reb_pipeline.metrics.image import IMAGE_METRICS
from reb_pipeline.metrics.pixel import PIXEL_METRICS
from reb_pipeline.pipelines.pixel_reconstruction.examples import choose_examples, synthetic_examples
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
    run_project("folder", small, **of_pixels, node_names=["part.train_skip_autoencoder"])
    run_project("folder", params, **of_pixels, node_names=["part.score_pixel_models"])
    table = pd.read_parquet(newest(out / "08_reporting/part", "pixel_reconstruction_table.parquet"))
    assert table["loss"].tolist() == ["l2", "l2", "ssim"]
    scoring = {"image_score": "reweighted", "scorer": "nearest"}
    with pytest.raises(InputError, match="image_score = reweighted compares neighbours"):
        run_project(
            "folder",
            {**params, "scoring": scoring},
            **of_pixels,
            node_names=["part.score_pixel_models"],
        )


@pytest.fixture
def part(params):
    """The images of the miniature, its samples and made-up synthetic defects on two of them."""
    images = PlainFolderDataset(path=params["data_root"], category="part").load()
    samples = images.table
    good = samples.loc[samples["split"] == "train", "id"].tolist()
    masks = np.zeros((8, 48, 48), bool)
    for row, side in enumerate((3, 9, 5, 2, 2, 8, 4, 6)):
        masks[row, :side, :side] = True
    labels = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    pictures = np.zeros((8, 48, 48, 3), np.uint8)
    defects = SyntheticDefects(pictures, masks, labels, list("abcd"), good[:2] * 4, [{}] * 8)
    return images, samples, defects


def test_examples_are_chosen_by_rule(part):
    images, samples, defects = part
    test = samples[samples["split"] == "test"].reset_index(drop=True)
    first = test.assign(model="one", image_score=np.arange(len(test)))
    # The second model turns the order of the defects round, but for the lowest.
    defective = test.index[test["label"] == 1]
    second = first.assign(model="two")
    second.loc[defective[1:], "image_score"] = first.loc[defective[:0:-1], "image_score"].to_numpy()
    chosen = choose_examples(samples, images, defects, pd.concat([first, second]))
    held_out = samples[samples["split"] == "calibration"].iloc[0]
    lowest = [test.loc[row] for row in defective[:2]]
    assert [example.title for example in chosen] == [
        f"held-out good image {held_out['id']}",
        "synthetic defect, a",
        "synthetic defect, c",
        "synthetic defect, d",
        *(f"test image {row['id']}, {row['defect_type']}" for row in lowest),
    ]
    assert [int(example.mask.sum()) for example in chosen[1:4]] == [81, 64, 36]
    assert np.array_equal(chosen[0].image, images.open_image(held_out["path"]))
    for row, example in zip(lowest, chosen[4:], strict=True):
        assert np.array_equal(example.image, images.open_image(row["path"]))
        assert (example.mask is not None) == (len(row["mask_paths"]) > 0)


def test_synthetic_defects_need_their_good_images(part):
    images, samples, defects = part
    pairs = list(synthetic_examples(samples, images, defects))
    assert len(pairs) == 8
    assert all(pair.good.shape == pair.image.shape for pair in pairs)
    assert not np.array_equal(pairs[0].good, pairs[1].good)
    missing = samples[samples["id"] != defects.image_ids[1]]
    with pytest.raises(
        InputError, match="which is no sample: run the pipeline defect_synthesis again"
    ):
        list(synthetic_examples(missing, images, defects))
