import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None)  # the machine may be busy
settings.load_profile("project")

ROOT = Path(__file__).parents[1]
# The smallest setting of the real thing: the packaged network on a grid of 8 x 8 patches, hardly fine-tuned.
SMALL = {
    "features": {"backbone": "efficientnet_lite0", "image_size": 64},
    "defect_synthesis": {"per_kind": 1},
    "ssl_finetune": {
        "budget": "demo",
        "demo": {"updates": 2, "freeze_updates": 1, "image_size": 64, "images_per_pass": 2},
    },
}


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


@pytest.fixture
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
