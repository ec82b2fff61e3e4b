"""The DAG that `kedro airflow create` makes of the project's template, on a stand-in for Airflow."""

import runpy
import sys
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from types import ModuleType, SimpleNamespace

import pytest

import miniatures
from conftest import ROOT

pytest.importorskip("kedro_airflow")


class Task:
    """Remembers what it would run, and after what."""

    def __init__(self, run, task_id, selection):
        self.run, self.task_id, self.selection, self.after = run, task_id, selection, set()

    def __rshift__(self, later):
        later.after.add(self.task_id)


@pytest.fixture
def load_tasks(monkeypatch):
    """Import a DAG file; returns its settings and its tasks by name."""

    def load(file):
        tasks, settings = {}, {}

        def task(run):
            def override(task_id):
                def call(selection):
                    tasks[task_id] = Task(run, task_id, selection)
                    return tasks[task_id]

                return call

            return SimpleNamespace(override=override)

        def dag(**given):
            settings.update(given)
            return lambda function: function

        sdk = ModuleType("airflow.sdk")
        sdk.task, sdk.dag = task, dag
        monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
        monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
        runpy.run_path(str(file))
        return settings, tasks

    return load


def create(kedro, folder, *options, params=""):
    given = f"project_path={ROOT}" + (f",{params}" if params else "")
    finished = kedro(
        "airflow", "create", "--target-dir", str(folder), "--env", "base",
        "--jinja-file", "conf/airflow_dag.j2", "--params", given, *options,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-2000:]
    (file,) = folder.glob("*.py")
    return file


def test_every_node_is_a_task_and_all_save_one_version(kedro, load_tasks, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_RUN_ID", "")  # put back afterwards
    images, out = miniatures.make_elpv(tmp_path / "images"), tmp_path / "out"
    params = f"runtime_params.data_root={images},runtime_params.output_root={out},schedule='@daily'"
    file = create(kedro, tmp_path / "dags", "--pipelines", "ingestion", params=params)

    settings, tasks = load_tasks(file)

    assert settings["dag_id"] == "reb-pipeline-base-ingestion"
    assert settings["schedule"] == "@daily"
    assert len(tasks) == 6
    assert tasks["mono-ingestion-index-samples"].after == {
        "mono-ingestion-inspect-images",
        "mono-ingestion-audit-samples",
    }
    dag_run = SimpleNamespace(run_after=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    order = TopologicalSorter({name: task.after for name, task in tasks.items()})
    for name in (
        *order.static_order(),
        "mono-ingestion-audit-samples",
    ):  # Airflow repeats what failed
        tasks[name].run(tasks[name].selection, dag_run=dag_run)
    saved = [file for file in out.rglob("*.*/*Z/*") if file.name != "run_manifest.json"]
    assert len(saved) == 6
    assert {file.parent.name for file in saved} == {"2026-01-02T03.04.05.678Z"}


def test_a_category_can_be_a_task(kedro, load_tasks, tmp_path):
    settings, tasks = load_tasks(create(kedro, tmp_path, "--group-by", "namespace"))
    assert settings["schedule"] is None
    assert tasks["mono"].selection == {"namespaces": ["mono"]}
    assert tasks["summarize"].selection == {"node_names": ["summarize"]}
    assert {name: task.after for name, task in tasks.items()} == {
        "mono": set(), "poly": set(), "summarize": {"mono", "poly"}
    }  # fmt: skip
