"""Tables in other formats and images in archives, by the entries that the catalog's page shows."""

import re
import shutil
import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from kedro.framework.project import settings
from kedro.framework.startup import bootstrap_project

import miniatures
from archives import pack
from conftest import ROOT, SMALL, newest
from plain_tables import check_plain
from reb_pipeline.parameters import loader

CHOSEN = {"namespaces": ["screw"], "to_outputs": ["metrics_screw"]}
PAGE = (ROOT / "docs/how-to/data.md").read_text()


def entries_of(words: str) -> str:
    """The first example on the catalog's page after some words."""
    return re.search(r"```yaml\n(.*?)```", PAGE.partition(words)[2], re.DOTALL)[1]


def run(folder, entries="", credentials="", params=None, **selection):
    """Run the environment mvtec_ad with other entries in its catalog; returns what it wrote."""
    conf = folder / "conf"
    shutil.copytree(ROOT / "conf", conf, dirs_exist_ok=True)
    with (conf / "mvtec_ad/catalog.yml").open("a") as file:
        file.write(entries)
    (conf / "mvtec_ad/credentials.yml").write_text(credentials)
    given = {**SMALL, "ssl_finetune": {"enabled": False}, "output_root": str(folder / "out")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(loader, "_active", None)
        bootstrap_project(ROOT)
        with settings.SESSION_CLASS.create(
            ROOT, env="mvtec_ad", conf_source=str(conf), runtime_params={**given, **(params or {})}
        ) as session:
            session.run(**(selection or CHOSEN))
    return folder / "out"


def metrics(out):
    return newest(out / "08_reporting/screw", "metrics.json").read_bytes()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return miniatures.make_mvtec_ad(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="module")
def expected(tmp_path_factory, root):
    """Metrics of a run of the folder with Parquet tables."""
    return metrics(run(tmp_path_factory.mktemp("parquet"), params={"data_root": str(root)}))


def test_csv_files_give_the_same_metrics(tmp_path, root, expected):
    entries, params = entries_of("In CSV files:"), {"data_root": str(root)}
    out = run(tmp_path, entries, params=params)

    assert metrics(out) == expected
    assert not [*out.rglob("samples.parquet"), *out.rglob("scores.parquet")]
    lines = newest(out / "03_primary/screw", "samples.csv").read_text().splitlines()
    assert lines[0].startswith("id,path,split,label,defect_type,mask_paths,")
    assert ',"[""screw/ground_truth/dark_spot/000_mask.png""]",' in "\n".join(lines)

    added, update = tmp_path / "more", ["bank_update"]
    miniatures.write_good(added, 2, seed=9)
    params["bank_update"] = {"add": str(added)}
    run(tmp_path, entries, params=params, pipeline_names=["ldknn_density"], namespaces=["screw"])
    run(tmp_path, entries, params=params, pipeline_names=update, namespaces=["screw"])
    after = newest(out / "03_primary/screw", "samples.csv").read_text().splitlines()
    assert len(after) == len(lines) + 2


def test_a_database_gives_the_same_metrics(tmp_path, root, expected):
    database = tmp_path / "tables.db"
    credentials = f"tables: {{con: 'sqlite:///{database}'}}\n"

    out = run(tmp_path, entries_of("In a database"), credentials, {"data_root": str(root)})

    assert metrics(out) == expected
    with closing(sqlite3.connect(database)) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        masks = connection.execute("select mask_paths from screw_samples where label = 1")
        assert ('["screw/ground_truth/dark_spot/000_mask.png"]',) in masks.fetchall()
    assert {"screw_samples", "screw_scores"} <= tables


def test_delta_tables_give_the_same_metrics(tmp_path, root, expected):
    from deltalake import DeltaTable

    out = run(tmp_path, entries_of("As a Delta table"), params={"data_root": str(root)})

    assert metrics(out) == expected
    scores = DeltaTable(str(out / "07_model_output/screw/scores.delta"))
    assert scores.version() == 0
    check_plain(scores.to_pandas())


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_images_of_an_archive_give_the_same_metrics(tmp_path, root, expected, kind):
    assert metrics(run(tmp_path, params={"data_root": pack(root, kind)})) == expected


@pytest.fixture(scope="module")
def tables(tmp_path_factory, root):
    """The tables of pipelines that learn and compare, by name."""
    folder = tmp_path_factory.mktemp("tables")
    grids = [{"detector": ["nearest"], "shots": [None, 2], "alpha": [1.0, "auto"]}]
    params = {
        "data_root": str(root),
        "feature_reconstruction": {"updates": 2},
        "pixel_reconstruction": {"updates": 2, "image_size": 32},
        "studies": {"arms": {"grids": grids, "max_neighbors": 9}},
        "selection": {"grids": [{"detector": ["nearest", "knn"], "n_neighbors": [1]}]},
    }
    steps = ["full", "feature_reconstruction", "hybrid", "pixel_reconstruction", "selection"]
    run(folder, params=params, pipeline_names=steps, namespaces=["screw"])
    out = run(folder, params=params, pipeline_names=["studies_arms"])
    return {file.stem: pd.read_parquet(file) for file in out.rglob("*.parquet") if file.is_file()}


@pytest.mark.parametrize("name", [
    "inventory", "samples", "scores", "feature_reconstruction_scores", "hybrid_scores",
    "pixel_reconstruction_scores", "pixel_reconstruction_table", "study_arms_results", "study_arms_table",
    "selection_candidates",
])  # fmt: skip
def test_a_table_is_plain(tables, name):
    check_plain(tables[name])
