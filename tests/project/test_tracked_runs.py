"""MLflow and the comparison of runs say the same; without the extra nothing is tracked."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import yaml

import miniatures
from conftest import ROOT, SMALL, newest
from reb_pipeline.core.text_lists import from_text
from reb_pipeline.inspection.inspector import Inspector
from reb_pipeline.project.hooks import manifest as hooks

PARAMS = {**SMALL, "ssl_finetune": {"enabled": False}}


def test_every_environment_is_tracked_in_one_file_by_default():
    config = yaml.safe_load((ROOT / "conf/base/mlflow.yml").read_text())
    assert config["server"]["mlflow_tracking_uri"] == "sqlite:///mlflow.db"
    assert not list(ROOT.glob("conf/[!b]*/mlflow.yml"))


@pytest.mark.skipif(find_spec("kedro_mlflow") is not None, reason="the extra mlflow is installed")
def test_nothing_is_tracked_without_the_extra():
    program = "import sys, reb_pipeline.settings as s; print(len(s.HOOKS), 'mlflow' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == ["5", "False"]


def test_mlflow_has_the_figures_of_the_comparison(run_project, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("kedro_mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    params = {"data_root": str(miniatures.make_plain_folder(tmp_path / "images", "part")), **PARAMS}
    monkeypatch.setattr(hooks, "_commit", lambda: "aaaa")
    run_project("folder", params)
    other = {**params, "scoring": {"alpha": 0.9}}
    run_project("folder", other, from_nodes=["part.ldknn_density.fit_detector"])
    miniatures.write_good(tmp_path / "images/part/good", 1, "_more.png", seed=500)
    run_project("folder", other)
    monkeypatch.setattr(hooks, "_commit", lambda: "bbbb")
    run_project("folder", other)
    undecided = {"packaging": {"allow_undecided": True}}
    run_project("folder", {**other, **undecided}, pipeline_names=["packaging"])
    out = run_project("folder", params, pipeline_names=["compare"])
    table = pd.read_parquet(newest(out / "08_reporting", "run_comparison.parquet"))

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/runs.db")
    (experiment,) = (e for e in client.search_experiments() if e.name == "reb_pipeline")
    runs = client.search_runs([experiment.experiment_id])[
        ::-1
    ]  # the oldest first; none of `compare`
    *runs, packaging = runs
    assert [run.data.tags["run_id"] for run in runs] == table["run_id"].tolist()
    numbers = table.select_dtypes("number").drop(
        columns=["difference", "standard_error", "p_value"]
    )
    for run, (_, row) in zip(runs, numbers.iterrows(), strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.metrics == {f"part.{name}": value for name, value in row.dropna().items()}
        files = {file.path for file in client.list_artifacts(run.info.run_id, "part")}
        assert {"part/report.html", "part/roc_curve.json", "part/metrics.json"} <= files
        assert "run_manifest.json" in {f.path for f in client.list_artifacts(run.info.run_id)}
    (version,) = client.search_model_versions("name='reb_pipeline-part'")
    assert version.run_id == packaging.info.run_id
    model = Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(tmp_path)))
    assert Inspector.load(model)
    made = [{**run.data.params, **run.data.tags} for run in runs]
    changed = [from_text(text) for text in table["changed"]]
    assert changed[1] == ["scoring.alpha: 0.5 → 0.9"]
    assert changed[3] == ["commit: aaaa → bbbb"]
    for number, texts in enumerate(changed):
        for name, _, values in (text.partition(": ") for text in texts):
            key = f"part.{name}" if f"part.{name}" in made[number] else name
            pair = (made[number - 1].get(key, "–"), made[number][key])
            assert pair == tuple(values.split(" → "))
    for number in range(1, len(runs)):
        differing = {k for k in made[number] if made[number][k] != made[number - 1].get(k)}
        named = {text.partition(":")[0] for text in changed[number]}
        assert {
            k.removeprefix("part.") for k in differing if "." in k and "mlflow" not in k
        } <= named
