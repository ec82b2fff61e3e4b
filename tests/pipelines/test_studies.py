"""Studies on miniatures, each with a few configurations."""

from importlib import import_module

import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from plain_tables import check_plain
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.light import CHANGES
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS
from reb_pipeline.project.hooks import preflight as hooks
from reb_pipeline.studies.light import all_steps
from reb_pipeline.studies.measure import Evaluator
from reb_pipeline.studies.rows import COLUMNS

# Grid of each study, number of its configurations, name of a trace in its figure (None for the only one).
STUDIES = {
    "arms": ({"representation": ["imagenet", "defectmaker"], "detector": ["nearest"]}, 2, "DefectMaker + KNN"),
    "representations": ({"detector": ["gde"]}, 1, "imagenet"),
    "detectors": ({"detector": ["nearest", "padim"], "image_score": ["max"]}, 2, "part"),
    "few_shot": ({"detector": ["nearest"], "shots": [1, 2]}, 2, "nearest"),
    "coreset": ({"detector": ["nearest"], "coreset_ratio": [0.1, 1.0]}, 2, "part: nearest"),
    "neighbors": ({"detector": ["knn"], "n_neighbors": [1, 3]}, 2, "knn"),
    "paradigms": ({"detector": ["nearest", "feature_reconstruction", "autoencoder"]}, 3, "remember patches"),
    "alpha": ({"alpha": [0.0, 1.0, "auto"], "image_size": [128]}, 3, "auto"),
    "defaults": ({"neck": ["paper", "combined"]}, 2, None),
    "features": ({"image_size": [64, [64, 96]]}, 2, None),
}  # fmt: skip
AS_TEXT = ("alpha", "image_size")  # a word or a number; a number or two
COMMON = {
    **SMALL,
    "ssl_finetune": {**SMALL["ssl_finetune"], "enabled": False},
    "feature_reconstruction": {"updates": 2},
    "pixel_reconstruction": {"updates": 2, "image_size": 32},
    "logical_set": {"side": 96, "train": 20, "good": 4, "per_kind": 2},
    "calibration": {"false_alarm_rate": 0.25},
}


def draw_of(study):
    return getattr(import_module(f"reb_pipeline.pipelines.studies.{study}"), f"draw_{study}")


@pytest.fixture
def part(tmp_path):
    return miniatures.make_plain_folder(tmp_path / "images", category="part")


@pytest.fixture
def run_study(run_project):
    """Run one study of some grids; returns the folder of reports."""

    def run(name, root, *grids, env="folder", **section):
        studies = {name: {"grids": list(grids), "max_neighbors": 9, **section}}
        params = {"data_root": str(root), **COMMON, "studies": studies}
        out = run_project(env, params, pipeline_names=[f"studies_{name}"])
        return out / "08_reporting"

    return run


def table_of(folder, study):
    table = pd.read_parquet(newest(folder, f"study_{study}_table.parquet"))
    check_plain(table)
    return table


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_ends_in_a_table_and_a_figure(run_study, part, capsys, study):
    grid, n_configurations, trace = STUDIES[study]
    if "auto" in grid.get("alpha", []):
        miniatures.write_good(part / "part/good", 30)  # of which at least three are held out

    folder = run_study(study, part, grid)

    table = table_of(folder, study)
    assert set(COLUMNS) <= {*table}
    measured = table[table["status"] == "measured"]
    assert (
        measured["defect_type"].tolist() == ["all", "bright_spot", "dark_spot"] * n_configurations
    )
    overall = measured[measured["defect_type"] == "all"]
    assert overall["image_auroc"].between(0, 1).all()
    for name, values in grid.items():
        text = str if name in AS_TEXT else lambda value: value
        assert {*map(text, overall[name])} == {*map(text, values)}
    for cost in ("fit_seconds", "images_per_second", "model_mib"):
        assert (overall[cost] > 0).all() == (study in ("coreset", "paradigms"))
    assert overall["pixel_auroc"].notna().all() == (
        study in ("arms", "defaults", "features", "paradigms")
    )
    if "alpha" in grid:
        assert (overall["fitted_alpha"] >= 0).all()
    left = table[table["status"] != "measured"]
    assert left["status"].str.endswith("is another data set").all()
    figure = read_json(folder, f"study_{study}_figure.json")
    assert trace in [one.get("name") for one in figure["data"]]
    printed = capsys.readouterr().out
    assert f"study_{study}_table.parquet" in printed
    assert f"study_{study}_figure.json" in printed


def test_the_logical_study_measures_composed_images(run_study, part):
    grid = {"detector": ["nearest"], "global_branch": ["none", "parts"]}

    table = table_of(run_study("logical", part, grid), "logical")

    measured = table[table["status"] == "measured"]
    kinds = ["remove", "duplicate", "swap", "move", "structural"]
    assert set(measured["defect_type"]) == {"all", *kinds}
    assert set(measured["global_branch"]) == {"none", "parts"}
    assert measured["image_auroc"].between(0, 1).all()


def test_the_study_of_light_measures_every_step(run_study, part):
    miniatures.write_good(part / "part/good", 30)  # enough to calibrate with
    grid = {"detector": ["nearest", "gde"], "light_copies": [0]}
    folder = run_study("light", part, grid, {"detector": ["nearest"], "light_copies": [1]})
    table = table_of(folder, "light")
    assert (table["status"] == "measured").all()
    steps = [tuple(step) for step in table[["change", "level"]].to_numpy()]
    assert steps == all_steps() * 3
    for name in ("image_auroc", "flagged", "found"):
        assert table[name].between(0, 1).all()
    plain = table[(table["detector"] == "nearest") & (table["light_copies"] == 0)]
    shares = plain.set_index(["change", "level"])["flagged"]
    assert shares["none", 0] < 0.5
    assert shares["gradient", 0.4] > shares["none", 0]
    figure = read_json(folder, "study_light_figure.json")
    lines = [one for one in figure["data"] if one["name"] == "part, light_copies 1"]
    assert len(lines) == 2 * len(CHANGES)


@pytest.mark.parametrize("study", [*STUDIES, "logical", "light"])
def test_figures_of_tables_without_a_measured_row(study):
    settings = dict.fromkeys(CONFIGURATION_FIELDS, "x") | {"shots": 5.0}
    row = {**dict.fromkeys(COLUMNS), **settings, "status": "error: x", "category": "part"}
    figure = draw_of(study)(pd.DataFrame([row]))
    assert figure.layout.annotations[0].text == "nothing was measured"


def test_categories_that_are_not_there(run_study, tmp_path, messages_of):
    messages = messages_of(hooks.logger)
    root = miniatures.make_mvtec_ad(tmp_path / "images")

    folder = run_study("arms", root, {"detector": ["nearest"]}, env="mvtec_ad")

    table = table_of(folder, "arms")
    rows = table[table["defect_type"] == "all"]
    status = rows[rows["category"] != "mean"].set_index("category")["status"]
    assert status.pop("screw") == "measured"
    assert len(status) == 14
    assert status.str.match("not available: Category '.*' is not in").all()
    means = rows[rows["category"] == "mean"].groupby("benchmark")["status"].unique()
    assert means["mvtec_ad"].tolist() == [
        "published, not measured"
    ]  # ours would be of one category
    assert means["btad"].tolist() == ["not available: btad is another data set"]
    assert len([text for text in messages if "is not available: Category" in text]) == 14


def test_no_category_is_there(run_study, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images", category="another")
    with pytest.raises(InputError, match=r"Category 'bottle' is not in .*another"):
        run_study("arms", root, {"detector": ["nearest"]}, env="mvtec_ad")
    assert not (tmp_path / "out").exists()


def test_a_category_of_broken_images_costs_no_other(run_study, tmp_path):
    root = miniatures.make_elpv(tmp_path / "images")
    for image in sorted((root / "images").iterdir())[:5]:  # of mono
        image.write_bytes(b"broken")

    table = table_of(run_study("arms", root, {"detector": ["nearest"]}, env="base"), "arms")

    rows = table[table["defect_type"] == "all"].drop_duplicates("category").set_index("category")
    assert rows["status"]["mono"].startswith("error: 5 of ")
    assert rows["status"]["poly"] == "measured"


def test_a_configuration_that_fails_costs_no_other(run_study, part, monkeypatch):
    measure = Evaluator._measure

    def measure_most(self, configuration):
        if configuration.detector == "gde":
            raise RuntimeError("out of memory")
        return measure(self, configuration)

    monkeypatch.setattr(Evaluator, "_measure", measure_most)
    grid = {"representation": ["draem", "imagenet"], "detector": ["gde", "nearest", "nobody"]}
    table = table_of(run_study("representations", part, grid), "representations")
    rows = table[(table["defect_type"] == "all") & (table["category"] == "part")]
    status = rows.set_index(["representation", "detector"])["status"]
    assert status["imagenet", "nearest"] == "measured"
    sentence = "error: Representation 'draem' cannot be used: the fill texture needs texture_folder"
    assert status["draem", "nearest"].startswith(sentence)
    assert status["imagenet", "gde"] == "error: RuntimeError: out of memory"
    assert status["imagenet", "nobody"].startswith("error: Detector of a study 'nobody' is unknown")


def test_an_interrupted_study_goes_on(run_study, part, monkeypatch):
    measure, measured = Evaluator._measure, []

    def measure_until(stop):
        def counted(self, configuration):
            if configuration.n_neighbors == stop:
                raise KeyboardInterrupt
            measured.append(configuration.n_neighbors)
            return measure(self, configuration)

        monkeypatch.setattr(Evaluator, "_measure", counted)

    grid = {"detector": ["knn"], "n_neighbors": [1, 2, 3, 4]}
    measure_until(3)
    with pytest.raises(KeyboardInterrupt):
        run_study("neighbors", part, grid)
    assert measured == [1, 2]

    measure_until(None)
    table = table_of(run_study("neighbors", part, grid), "neighbors")

    assert measured == [1, 2, 3, 4]
    rows = table[table["defect_type"] == "all"]
    assert rows["n_neighbors"].tolist() == [1, 2, 3, 4]
    assert (rows["status"] == "measured").all()
