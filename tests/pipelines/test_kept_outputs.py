"""A run loads what it saved, and says what of earlier runs does not fit its parameters."""

import shutil

import pandas as pd
import pytest

import miniatures
from conftest import newest, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.images import inventory
from reb_pipeline.project.hooks import manifest as hooks
from reb_pipeline.project.runners import versions


@pytest.fixture
def ingest(run_project, tmp_path):
    """Run the ingestion of one category, or some nodes of it."""
    root = miniatures.make_mvtec_ad(tmp_path / "images")

    def ingest(params=None, **selection):
        given = {"data_root": str(root), **(params or {})}
        selection = selection or {"pipeline_names": ["ingestion"]}
        return run_project("mvtec_ad", given, namespaces=["screw"], **selection)

    return ingest


MISSING = {"pipeline_names": ["ingestion"], "only_missing_outputs": True}


def test_outputs_are_kept_if_they_fit(ingest):
    out = ingest()
    first = read_json(out / "08_reporting", "run_manifest.json")
    assert first["finished"]
    assert set(first["parameters"]["screw"]) == {"ingestion"}  # what its steps read
    ingest(**MISSING)
    manifest = read_json(out / "08_reporting", "run_manifest.json")
    assert manifest["nodes"] == []
    assert manifest["parameters"] == {}
    assert set(manifest["outputs"].values()) == {first["run_id"]}


def test_outputs_that_do_not_fit_are_not_kept(ingest, tmp_path):
    out = ingest()
    shutil.rmtree(out / "02_intermediate/screw/audit.json")  # of an interrupted run
    other = {"ingestion": {"max_unreadable_share": 0.5}}
    with pytest.raises(
        InputError,
        match=r"would keep screw\.samples of run .* screw\.ingestion\.max_unreadable_share = "
        r"0\.02, not 0\.5: .*--from-nodes=screw\.ingestion\.index_samples",
    ):
        ingest(other, **MISSING)
    line_b = {"data_root": str(shutil.copytree(tmp_path / "images", tmp_path / "line_b"))}
    with pytest.raises(InputError, match=r"screw\.raw_images\.filepath = .*images', not .*line_b'"):
        ingest(line_b, **MISSING)
    ingest(other)
    assert len(list((out / "03_primary/screw/samples.parquet").iterdir())) == 2


def test_a_run_that_failed_leaves_its_parameters(ingest, tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "usable_samples", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ingest({"ingestion": {"max_unreadable_share": 0.5}})
    out = tmp_path / "out"
    manifest = read_json(out / "08_reporting", "run_manifest.json")
    assert not manifest["finished"]
    own = manifest["parameters"]["screw"]["ingestion"]
    assert own == {
        "max_unreadable_share": 0.5,
        "leave_out": None,
        "pose": "as_taken",
        "golden": None,
        "channels": None,
    }


def test_inputs_made_with_other_values_get_a_warning(ingest, tmp_path, messages_of):
    ingest()
    warnings = messages_of(hooks.logger)
    line_b = shutil.copytree(tmp_path / "images", tmp_path / "line_b")
    ingest({"data_root": str(line_b)}, node_names=["screw.ingestion.audit_samples"])
    (warning,) = (text for text in warnings if "raw_images" in text)
    assert warning.startswith("screw.inventory of run ")
    assert "was made with screw.raw_images.filepath = " in warning


def about_runs(warnings):
    return [text for text in warnings if " of run " in text]


def test_parts_of_different_runs_get_a_warning(ingest, tmp_path, messages_of):
    """By what their files were, not by when: the same data again are the same."""
    ingest()
    first = read_json(tmp_path / "out/08_reporting", "run_manifest.json")
    warnings = messages_of(hooks.logger)
    inspect, index = "screw.ingestion.inspect_images", "screw.ingestion.index_samples"
    ingest(node_names=[inspect])
    ingest(node_names=[index])
    assert not about_runs(warnings)
    miniatures.write_image(
        tmp_path / "images/screw/train/good/000.png", miniatures.draw_part(77)[0]
    )
    out = ingest(node_names=[inspect])
    assert not about_runs(warnings)
    ingest(node_names=[index])
    (warning,) = about_runs(warnings)
    then, now = first["run_id"], max((out / "02_intermediate/screw/inventory.parquet").iterdir())
    assert warning == (
        f"screw.audit of run {then} was made from other data than screw.inventory of run {now.name}: make it again if "
        f"that was not meant."
    )


def test_files_that_were_replaced_get_a_warning(ingest, tmp_path, messages_of):
    out = ingest()
    warnings = messages_of(hooks.logger)
    inventory = newest(out / "02_intermediate/screw", "inventory.parquet")
    table = pd.read_parquet(inventory)
    table.assign(label=0).to_parquet(inventory)
    ingest(node_names=["screw.ingestion.index_samples"])
    (replaced, beside) = about_runs(warnings)
    assert replaced.startswith("screw.inventory of run ")
    assert "is not the file that this run saved: make it again" in replaced
    assert beside.startswith("screw.audit of run ")
    elsewhere = inventory.parent.parent / "2999-01-01T00.00.00.000Z"
    shutil.copytree(inventory.parent, elsewhere)  # as from another output_root
    warnings.clear()
    ingest(node_names=["screw.ingestion.index_samples"])
    assert (
        f"No manifest says how screw.inventory of run {elsewhere.name} was made"
        in about_runs(warnings)[0]
    )


def test_a_run_loads_what_it_saved(ingest, monkeypatch):
    """Another run saves a newer version between two steps of this one."""
    audit = inventory.audit

    def meanwhile(table, *args):
        newer = out / "02_intermediate/screw/inventory.parquet/2999-01-01T00.00.00.000Z"
        newer.mkdir(exist_ok=True)
        table.assign(id="of another run").to_parquet(newer / "inventory.parquet")
        return audit(table, *args)

    out = ingest()
    monkeypatch.setattr(inventory, "audit", meanwhile)
    ingest()
    samples = pd.read_parquet(newest(out / "03_primary/screw", "samples.parquet"))
    assert "of another run" not in set(samples["id"])


def test_versions_dated_after_now_get_a_warning(ingest, messages_of):
    out = ingest()
    folder = out / "02_intermediate/screw/inventory.parquet"
    shutil.copytree(next(folder.iterdir()), folder / "2999-01-01T00.00.00.000Z")
    warnings = messages_of(versions.logger)
    ingest(node_names=["screw.ingestion.index_samples"])
    (warning,) = warnings
    assert warning.startswith(
        "The newest version of screw.inventory, 2999-01-01T00.00.00.000Z, is dated after this run: "
    )


def test_a_version_that_is_not_there_is_refused_with_those_that_are(ingest):
    first = read_json(ingest() / "08_reporting", "run_manifest.json")["run_id"]
    later = {"node_names": ["screw.ingestion.index_samples"]}
    other = "2020-01-01T00.00.00.000Z"
    with pytest.raises(
        InputError,
        match=rf"^Version '{other}' of dataset 'screw\.inventory' is not stored: there are {first}\.$",
    ):
        ingest(**later, load_versions={"screw.inventory": other})
    with pytest.raises(InputError, match=r"'screw\.raw_images' has no versions: leave it out of"):
        ingest(pipeline_names=["ingestion"], load_versions={"screw.raw_images": other})
    with pytest.raises(InputError, match=r"'metrics_screw' is not stored: none is stored yet\.$"):
        ingest(
            pipeline_names=["evaluation"],
            node_names=["screw.evaluation.draw_figures"],
            load_versions={"metrics_screw": other},
        )
