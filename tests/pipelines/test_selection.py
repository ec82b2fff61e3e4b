"""A choice between candidates without labels, and what it is worth."""

import pandas as pd
import pytest
import yaml
from omegaconf import OmegaConf

import miniatures
from conftest import ROOT, SMALL, newest, read_json
from plain_tables import check_plain
from reb_pipeline.datasets import PlainFolderDataset
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.reconstruction.feature_losses import FEATURE_LOSSES
from reb_pipeline.reconstruction.fusion import FUSIONS
from reb_pipeline.studies import candidates
from reb_pipeline.studies.regret import CHOICE, CHOICES, ORACLE, WIDE_ORACLE

GRIDS = [{"detector": ["ldknn"], "n_neighbors": [2, 20]}, {"detector": ["nearest"]}]
CHOOSE_RECONSTRUCTION = ROOT / "conf/choose_reconstruction.yml"
ORACLE_GRIDS = [{"detector": ["ldknn"], "n_neighbors": [1], "image_score": ["max"]}]


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Parameters of a miniature with enough good images to hold out."""
    monkeypatch.setattr(miniatures, "UNSPLIT_GOOD", 60)
    monkeypatch.setattr(candidates, "MIN_HELD_OUT", 5)
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    return {
        "data_root": str(root),
        **SMALL,
        "ssl_finetune": {**SMALL["ssl_finetune"], "enabled": False},
        "selection": {"grids": GRIDS, "oracle_grids": ORACLE_GRIDS, "max_neighbors": 20},
    }


@pytest.fixture
def opened(monkeypatch):
    """Paths of all files that are read."""
    paths, read = set(), ImageCollection.read

    def recorded(self, path):
        paths.add(path)
        return read(self, path)

    monkeypatch.setattr(ImageCollection, "read", recorded)
    return paths


def test_a_run_takes_over_what_was_chosen(run_project, params, opened):
    out = run_project("folder", params, pipeline_names=["selection"])

    split = {"train": 0.6, "calibration": 0.1, "seed": 0}
    images = PlainFolderDataset(path=params["data_root"], category="part", split=split).load()
    assert opened == {sample.path for sample in images.samples if sample.split != "test"}
    folder = out / "07_model_output/part"
    ranked = pd.read_parquet(newest(folder, "selection_candidates.parquet"))
    assert ranked["n_neighbors"].tolist() == [2, 20, 5]
    assert ranked["chosen"].sum() == 1
    chosen = ranked[ranked["chosen"]].iloc[0]
    assert chosen["mean_rank"] == ranked["mean_rank"].max()
    figure = read_json(out / "08_reporting", "selection_figure.json")
    assert [trace["name"] for trace in figure["data"]] == ["part"]
    labels = figure["layout"]["yaxis"]["categoryarray"][::-1]
    assert sorted(label.split(",")[0] for label in labels) == ["ldknn", "ldknn", "nearest"]
    selected = yaml.safe_load(newest(out / "08_reporting", "selected_parameters.yml").read_text())
    assert selected["scoring"]["per_category"]["part"]["scorer"] == chosen["detector"]

    # As if the choice had been another one, with more neighbours than the environment searches.
    selected["scoring"]["per_category"]["part"] |= {
        "scorer": "ldknn", "n_neighbors": 20, "max_neighbors": 20
    }  # fmt: skip
    merged = OmegaConf.to_container(OmegaConf.merge(params, selected))
    run_project("folder", merged, to_outputs=["part.scores"])
    used = read_json(out / "08_reporting", "run_manifest.json")["parameters"]
    for section in used["part"].keys() & selected.keys():
        values = selected[section]["per_category"]["part"]
        assert values.items() <= used["part"][section].items()
    scores = pd.read_parquet(newest(folder, "scores.parquet"))
    assert scores["label"].nunique() == 2


def test_how_features_are_reconstructed_is_chosen_too(run_project, params):
    run = yaml.safe_load(CHOOSE_RECONSTRUCTION.read_text())["run"]
    tiny = {"feature_reconstruction": {"updates": 2}, "defect_synthesis": {"per_kind": 1}}

    out = run_project(
        "folder",
        {**params, **tiny, "selection": {**params["selection"], **run["params"]["selection"]}},
        pipeline_names=[run["pipelines"]],
    )

    ranked = pd.read_parquet(newest(out / "07_model_output/part", "selection_candidates.parquet"))
    assert set(ranked["detector"]) == {"feature_reconstruction"}
    compared = set(zip(ranked["feature_loss"], ranked["fusion"], strict=True))
    assert compared == {(loss, fusion) for loss in FEATURE_LOSSES for fusion in FUSIONS}
    assert ranked["mean_rank"].notna().all()
    chosen = ranked[ranked["chosen"]].iloc[0]
    selected = yaml.safe_load(newest(out / "08_reporting", "selected_parameters.yml").read_text())
    assert selected.pop("feature_reconstruction") == {
        "per_category": {"part": {"loss": chosen["feature_loss"], "fusion": chosen["fusion"]}}
    }
    assert set(selected) == {"scoring", "features"}


def test_the_command_that_chooses_it(kedro, tmp_path):
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    config = yaml.safe_load(CHOOSE_RECONSTRUCTION.read_text())
    config["run"]["params"] |= {"data_root": str(root), "output_root": str(tmp_path / "out")}
    path = tmp_path / CHOOSE_RECONSTRUCTION.name
    path.write_text(yaml.safe_dump(config))

    finished = kedro("run", "--env", "folder", "--config", str(path))

    assert finished.returncode == 0, finished.stderr
    folder = tmp_path / "out/07_model_output/part"
    ranked = pd.read_parquet(newest(folder, "selection_candidates.parquet"))
    assert len(ranked) == len(FEATURE_LOSSES) * len(FUSIONS)


def test_the_worth_of_the_choice(run_project, params):
    out = run_project("folder", params, pipeline_names=["studies_selection"])

    rows = pd.read_parquet(newest(out / "08_reporting", "study_selection_table.parquet"))
    check_plain(rows)
    assert rows["choice"].tolist() == list(CHOICES)
    assert (rows["status"] == "measured").all()
    rows = rows.set_index("choice")
    assert rows.loc[ORACLE, "regret"] == 0
    assert rows.loc[WIDE_ORACLE, "wide_regret"] == 0
    assert (rows["wide_regret"] >= 0).all()
    assert (rows["wide_regret"] - rows["regret"]).to_numpy() == pytest.approx(
        rows.loc[WIDE_ORACLE, "image_auroc"] - rows.loc[ORACLE, "image_auroc"]
    )
    assert rows.loc["paper's default", ["n_neighbors", "alpha"]].tolist() == [5, "1.0"]
    assert rows.loc["alpha = auto", "fitted_alpha"] >= 0
    figure = read_json(out / "08_reporting", "study_selection_figure.json")
    assert [trace["name"] for trace in figure["data"]] == list(CHOICES)


def test_too_few_held_out_images_keep_the_first_candidate(
    run_project, params, monkeypatch, messages_of
):
    messages = messages_of(candidates.logger)
    monkeypatch.setattr(candidates, "MIN_HELD_OUT", 7)
    pipelines = ["selection", "studies_selection"]

    params["split"] = {"calibration": 6}

    out = run_project("folder", params, pipeline_names=pipelines)

    sentence = "part has 6 good images to choose by, fewer than 7: the first candidate is kept."
    assert len([text for text in messages if text.startswith(sentence)]) == 2
    reports = out / "08_reporting"
    ranked = pd.read_parquet(newest(out / "07_model_output/part", "selection_candidates.parquet"))
    assert ranked["chosen"].tolist() == [True, False, False]
    assert ranked["mean_rank"].isna().all()
    figure = read_json(reports, "selection_figure.json")
    assert figure["layout"]["annotations"][0]["text"] == "nothing was measured"
    selected = yaml.safe_load(newest(reports, "selected_parameters.yml").read_text())
    assert selected["scoring"]["per_category"]["part"]["n_neighbors"] == 2
    rows = pd.read_parquet(newest(reports, "study_selection_table.parquet")).set_index("choice")
    assert rows.loc[CHOICE, ["detector", "n_neighbors"]].tolist() == ["ldknn", 2]
