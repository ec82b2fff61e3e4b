"""Sessions that share KEDRO_RUN_ID are parts of one run."""

import shutil

import pytest

import miniatures
from conftest import SMALL, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.project.session import ProjectSession

RUN_ID = "2026-01-02T03.04.05.678Z"


@pytest.fixture
def given(tmp_path):
    return {"data_root": str(miniatures.make_elpv(tmp_path / "images")), **SMALL}


def versions(folder):
    return {path.name for path in folder.iterdir()}


def test_parts_save_and_load_one_version(run_project, given, monkeypatch):
    monkeypatch.setenv("KEDRO_RUN_ID", RUN_ID)
    out = run_project(params=given, node_names=["mono.ingestion.inspect_images"])
    inventory = out / "02_intermediate/mono/inventory.parquet"
    newer = inventory / "2999-01-01T00.00.00.000Z"  # another run's, and none that can be read
    newer.mkdir()
    (newer / "inventory.parquet").write_text("nothing")

    run_project(
        params=given, node_names=["mono.ingestion.audit_samples", "mono.ingestion.index_samples"]
    )

    assert versions(out / "02_intermediate/mono/audit.json") == {RUN_ID}
    assert versions(out / "03_primary/mono/samples.parquet") == {RUN_ID}
    manifest = read_json(out / "08_reporting", "run_manifest.json")
    assert manifest["run_id"] == RUN_ID
    assert manifest["inputs"]["mono.inventory"] == RUN_ID
    assert manifest["outputs"] == {"mono.audit": RUN_ID, "mono.samples": RUN_ID}
    assert len(versions(out / "08_reporting/run_manifest.json")) == 2  # one of each part


def test_a_part_can_be_repeated(run_project, given, monkeypatch):
    monkeypatch.setenv("KEDRO_RUN_ID", RUN_ID)
    for _ in range(2):
        out = run_project(params=given, node_names=["mono.ingestion.inspect_images"])
    assert versions(out / "02_intermediate/mono/inventory.parquet") == {RUN_ID}


def test_what_is_missing_of_a_run_is_asked_of_that_run(run_project, given, monkeypatch):
    selection = {"pipeline_names": ["ingestion"], "namespaces": ["mono"]}
    older = run_project(params=given, **selection)  # leaves an output of every node
    monkeypatch.setenv("KEDRO_RUN_ID", RUN_ID)
    run_project(
        params=given, node_names=["mono.ingestion.inspect_images", "mono.ingestion.audit_samples"]
    )
    shutil.rmtree(older / f"02_intermediate/mono/audit.json/{RUN_ID}")
    inventory = older / f"02_intermediate/mono/inventory.parquet/{RUN_ID}/inventory.parquet"
    before = inventory.stat().st_mtime_ns

    run_project(params=given, **selection, only_missing_outputs=True)

    assert inventory.stat().st_mtime_ns == before
    assert RUN_ID in versions(older / "02_intermediate/mono/audit.json")
    assert RUN_ID in versions(older / "03_primary/mono/samples.parquet")


@pytest.mark.parametrize(
    "run_id",
    [
        "yesterday",
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T03.04.05Z",
        "2026-1-02T03.04.05.678Z",
        "2026-01-02T03.04.05.678901Z",
    ],
)
def test_what_is_no_version_is_refused(monkeypatch, run_id):
    monkeypatch.setenv("KEDRO_RUN_ID", run_id)
    with pytest.raises(
        InputError, match=f"^KEDRO_RUN_ID='{run_id}' is no version of Kedro's: give"
    ):
        ProjectSession("2026-01-01T00.00.00.000Z")
