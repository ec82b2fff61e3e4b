"""The project on a Dask cluster is the project."""

import io
import re
import zipfile
from pathlib import Path

import pytest

import miniatures
from conftest import SMALL, read_json
from reb_pipeline.project.runners import DaskRunner
from tiny_finetuning import one_thread

pytest.importorskip("distributed")


def contents(file: Path):
    """Content of a file; of a zip archive and a page without the times at which they were written."""
    data = file.read_bytes()
    if file.suffix == ".npz":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    if file.suffix == ".html":
        return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", data)
    return data


def outputs(root: Path) -> dict:
    """Contents of every versioned file but the manifest, by its name without the version."""
    return {
        file.parents[1].relative_to(root).as_posix(): contents(file)
        for file in root.rglob("*.*/*Z/*")
        if file.name != "run_manifest.json"
    }


def test_same_results_as_in_sequence(run_project, tmp_path, monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    root = miniatures.make_elpv(tmp_path / "images")

    def run(name, **selection):
        folder = tmp_path / name
        params = {"data_root": str(root), **SMALL, "output_root": str(folder)}
        run_project(params=params, **selection)
        return outputs(folder)

    with one_thread():  # as many as each of the workers has; more add up in another order
        sequential = run("one")
    on_dask = run("two", runner=DaskRunner(n_workers=2))

    assert len(on_dask) > 30  # of two categories
    assert on_dask.keys() == sequential.keys()
    assert [name for name in on_dask if on_dask[name] != sequential[name]] == []
    manifest = read_json(tmp_path / "two/08_reporting", "run_manifest.json")
    versions = {file.parent.name for file in (tmp_path / "two").rglob("*.*/*Z/*")}
    assert versions == {*manifest["outputs"].values()} == {manifest["run_id"]}
