"""A whole run whose images and results lie in a bucket."""

import json

import fsspec
import pandas as pd
import pytest

import miniatures
from conftest import SMALL
from reb_pipeline.project.runners import DaskRunner

pytest_plugins = ["object_storage"]


def test_whole_run_from_bucket_to_bucket(run_project, bucket, tmp_path, capsys):
    local = miniatures.make_plain_folder(tmp_path / "images", category="part")
    fs = fsspec.filesystem("s3")
    fs.put(f"{local}/", "bucket/images/", recursive=True)
    given = {"data_root": f"{bucket}/images", "output_root": f"{bucket}/reb", **SMALL}

    run_project("folder", given)

    printed = capsys.readouterr().out
    assert "image_auroc" in printed
    assert "bucket/reb/08_reporting/part/report.html/" in printed
    assert not (tmp_path / "out").exists()
    fs.invalidate_cache()
    (manifest,) = fs.glob("bucket/reb/08_reporting/run_manifest.json/*/run_manifest.json")
    manifest = json.loads(fs.cat(manifest))
    run_id = manifest["run_id"]
    assert set(manifest["outputs"].values()) == {run_id}
    folders = {path.split("/")[-2] for path in fs.find("bucket/reb") if run_id in path}
    assert folders == {run_id}
    table = pd.read_parquet(f"{bucket}/reb/08_reporting/summary.parquet/{run_id}/summary.parquet")
    assert table["category"].tolist() == ["part"]

    run_project("folder", given, only_missing_outputs=True)  # finds all that is there
    assert len(fs.glob("bucket/reb/06_models/part/memory_bank.npz/*")) == 1

    pytest.importorskip("distributed")
    run_project("folder", given, pipeline_names=["ingestion"], runner=DaskRunner(n_workers=1))
    fs.invalidate_cache()
    assert len(fs.glob("bucket/reb/03_primary/part/samples.parquet/*")) == 2
