import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import no_network
import pytest
from hypothesis import settings

from browsing import browser, open_report  # noqa: F401 - fixtures of every folder

settings.register_profile("project", deadline=None)  # the machine may be busy
settings.load_profile("project")

ROOT = Path(__file__).parents[1]
no_network.install()
# Also for the processes that tests start.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT / "tests/offline"), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# Files and folders below tests/ that `make quick` leaves out, but for those of FAST: they are marked `slow`.
SLOW = (
    # Whole runs of the project, Dask, and other processes.
    "calibration/test_false_alarms_benchmark.py",
    "memory_bank/test_memory_limit.py",
    "commands/test_train_run.py",
    "pipelines",
    "project/runners",
    "project/test_kedro_ipython.py",
    "project/test_kedro_server.py",
    "project/test_kedro_sessions.py",
    "project/test_kedro_viz.py",
    "project/test_session_parts.py",
    "test_benchmarks.py",
    "test_gpu_benchmark.py",
    "test_cli.py",
    "test_notebook.py",
    "test_tutorial.py",
    "test_wheel.py",
    # Browsers, and servers of objects and models.
    "datasets/test_object_storage.py",
    "figures/test_training_report_in_browser.py",
    "inspection/test_report_in_browser.py",
    "service/test_page_in_browser.py",
    "service/test_service_with_a_model.py",
    # Training.
    "detectors/test_reconstruction_detectors.py",
    "finetuning/test_adapt.py",
    "finetuning/test_finetune.py",
    "finetuning/test_resume.py",
    "reconstruction/test_feature_training.py",
    "reconstruction/test_pixels.py",
    # Networks of full size, one after the other.
    "features/test_backbones.py",
    "features/test_engines.py",
    "features/test_levels.py",
    "features/test_onnx_export.py",
    "features/test_pooled.py",
    "features/test_tiles.py",
    "studies/test_costs.py",
    "studies/test_experiment.py",
    "studies/test_scoring_settings.py",
    "studies/test_without_kedro.py",
)
FAST = ("pipelines/test_slices.py",)
# The smallest setting of the real thing: the packaged network on a grid of 8 x 8 patches, hardly fine-tuned.
SMALL = {
    "features": {"backbone": "efficientnet_lite0", "image_size": 64, "engine": "torch"},
    "defect_synthesis": {"per_kind": 1},
    "ssl_finetune": {
        "enabled": True,
        "budget": "demo",
        "demo": {"updates": 2, "freeze_updates": 1, "image_size": 64, "images_per_pass": 2},
    },
}


def pytest_collection_modifyitems(items):
    """Mark slow tests; skip those marked ``gpu`` where there is none."""
    slow, fast = ([ROOT / "tests" / path for path in paths] for paths in (SLOW, FAST))
    for item in items:
        if item.path not in fast and any(item.path.is_relative_to(path) for path in slow):
            item.add_marker("slow")
        if item.get_closest_marker("gpu") and not has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@cache
def has_gpu() -> bool:
    """Say if PyTorch finds a GPU."""
    import torch  # takes seconds, and most tests need none

    return torch.cuda.is_available()


@pytest.fixture(scope="session", autouse=True)
def connections(tmp_path_factory):
    """File of the calls to other machines that were refused."""
    file = tmp_path_factory.mktemp("network") / "calls.txt"
    os.environ[no_network.LOG] = str(file)
    return file


@pytest.fixture(autouse=True)
def _stays_on_this_machine(connections):
    """Fail a test in which anything, also a process that it started, wanted to reach another machine."""
    yield
    calls = connections.read_text() if connections.exists() else ""
    connections.unlink(missing_ok=True)
    assert not calls


@pytest.fixture
def run_project(tmp_path, monkeypatch):
    """Run the project in this process; returns the folder that holds what the run wrote."""

    def run(env=None, params=None, **selection):
        from kedro.framework.project import settings as kedro_settings
        from kedro.framework.startup import bootstrap_project

        monkeypatch.chdir(ROOT)
        bootstrap_project(ROOT)  # forgets the categories of an earlier environment
        runtime_params = {"output_root": str(tmp_path / "out"), **(params or {})}
        with kedro_settings.SESSION_CLASS.create(
            ROOT, env=env, runtime_params=runtime_params
        ) as session:
            session.run(**selection)
        return tmp_path / "out"

    return run


@pytest.fixture(scope="session")
def kedro():
    """Run a `kedro` command as a user does; returns the finished process."""

    def run(*arguments, cwd=ROOT, **environment):
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=cwd,
            env={**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def messages_of(monkeypatch):
    """Collect what a logger says; not by caplog, because the first session of a process sets logging up anew."""

    def watch(logger):
        messages = []
        for level in ("info", "warning"):
            monkeypatch.setattr(logger, level, lambda text, *values: messages.append(text % values))
        return messages

    return watch


def newest(folder: Path, name: str) -> Path:
    """The newest version of a versioned file."""
    return max((folder / name).iterdir()) / name


def read_json(folder: Path, name: str) -> dict:
    return json.loads(newest(folder, name).read_text())
