"""Pipelines in somebody else's Kedro project, which has neither the session nor the loader of this one."""

import json
import shutil

import pytest

import miniatures
from conftest import ROOT
from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters import loader
from reb_pipeline.pipelines.elsewhere import pipeline_for


def test_the_default_pipeline_is_mounted_in_another_project(kedro, tmp_path):
    project = shutil.copytree(ROOT / "tests/line_project", tmp_path / "line_project")
    images = miniatures.make_plain_folder(tmp_path / "images", "bolt")
    results = tmp_path / "results"
    finished = kedro("run", "--params", f"data_root={images},results={results}", cwd=project)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert (results / "decision.txt").read_text() in ("released", "held back")
    metrics = json.loads((results / "line_3/bolt/metrics.json").read_text())
    assert metrics["category"] == "bolt"
    assert (results / "line_3/bolt/coreset.npz").is_file()


def test_the_categories_are_those_given(monkeypatch):
    monkeypatch.setattr(loader, "_active", None)
    pipeline = pipeline_for("full", iter(["bolt", "nut"]))
    assert {node.namespace.split(".")[0] for node in pipeline.nodes if node.namespace} == {
        "bolt", "nut"
    }  # fmt: skip
    assert {"metrics_bolt", "metrics_nut", "summary"} <= pipeline.all_outputs()
    assert loader._active is None  # nothing was read
    assert "bolt.hybrid_scores" in pipeline_for("hybrid", ["bolt"]).datasets()


@pytest.mark.parametrize(
    ("name", "categories", "sentence"),
    [
        ("fill", ["bolt"], "Pipeline 'fill' is unknown: did you mean 'full'"),
        ("full", [], r"Categories \[\] cannot be used: give at least one name"),
        ("full", ["bolt.head"], r"Categories \['bolt.head'\] cannot be used"),
    ],
)
def test_what_there_is_not_is_refused(name, categories, sentence):
    with pytest.raises(InputError, match=sentence):
        pipeline_for(name, categories)
