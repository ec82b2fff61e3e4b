"""After `reb prune`, real runs that were kept can be loaded, and the next run goes on as before."""

import json

import pytest
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

import miniatures
from conftest import ROOT, newest, read_json
from pages import pipelines
from reb_pipeline.commands.main import main


@pytest.fixture
def ingest(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images")

    def ingest(**selection):
        return run_project(
            "mvtec_ad", {"data_root": str(root)}, namespaces=["screw"],
            **{"pipeline_names": ["ingestion"], **selection},
        )  # fmt: skip

    return ingest


def manifests(out):
    files = sorted((out / "08_reporting/run_manifest.json").glob("*/*.json"))
    return [json.loads(file.read_text()) for file in files]


def load_all(manifest, out):
    """Load every version that a manifest pins, as `--load-versions` does."""
    from kedro.framework.session import KedroSession

    bootstrap_project(ROOT)
    pinned = {
        name: version
        for name, version in {**manifest["inputs"], **manifest["outputs"]}.items()
        if isinstance(version, str)
    }
    with KedroSession.create(
        ROOT, env="mvtec_ad", runtime_params={"output_root": str(out)}
    ) as session:
        config = session.load_context().config_loader["catalog"]
    catalog = DataCatalog.from_config(config, load_versions=pinned)
    return {name: catalog[name].load() for name in pinned}


def test_kept_runs_are_loaded_and_the_next_run_goes_on(ingest, capsys):
    out = ingest()
    (first,) = manifests(out)
    ingest()
    ingest()
    audited = {"node_names": ["screw.ingestion.audit_samples"]}
    ingest(**audited, load_versions={"screw.inventory": first["run_id"]})
    before = manifests(out)
    assert [manifest["files"]["screw.inventory"] for manifest in before] == [
        "02_intermediate/screw/inventory.parquet"
    ] * 4
    samples = newest(out / "03_primary/screw", "samples.parquet").read_bytes()

    capsys.readouterr()
    assert main(["prune", str(out), "--keep", "1", "--yes"]) == 0
    assert " were removed." in capsys.readouterr().out

    kept = {m["run_id"] for m in manifests(out)}
    # The second run alone made nothing that is needed.
    assert kept == {before[at]["run_id"] for at in (0, 2, 3)}
    there = {
        path.name: sorted(version.name for version in path.iterdir())
        for path in (
            *(out / "02_intermediate/screw").iterdir(),
            *(out / "03_primary/screw").iterdir(),
        )
    }
    assert there == {
        "inventory.parquet": [before[0]["run_id"], before[2]["run_id"]],
        "audit.json": [before[3]["run_id"]],
        "samples.parquet": [before[2]["run_id"]],
    }
    loaded = load_all(before[3], out)
    assert set(loaded) == {"screw.inventory", "screw.audit"}
    assert newest(out / "03_primary/screw", "samples.parquet").read_bytes() == samples
    ingest(node_names=["screw.ingestion.index_samples"])
    assert (
        read_json(out / "08_reporting", "run_manifest.json")["inputs"]["screw.inventory"]
        == before[2]["run_id"]
    )


def test_studies_read_the_cache_by_the_name_that_is_looked_for():
    names = [name for name in pipelines() if name.startswith("studies_")]
    assert names
    for name in names:
        read = pipelines()[name].inputs()
        assert {f"{category}.study_cache" for category in ("mono", "poly")} <= read
