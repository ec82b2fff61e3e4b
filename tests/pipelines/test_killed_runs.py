"""Runs killed at the move of a file to its name: the same command again gives what an uninterrupted run gives."""

import json
import shutil
import subprocess
import sys

import pytest

import miniatures
from conftest import ROOT, SMALL, newest, read_json

PARAMS = {
    **SMALL,
    "ssl_finetune": {"enabled": False},
    "memory_bank": {"coreset_ratio": 0.2},
}
STEPS = [
    "ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density", "calibration"
]  # fmt: skip
MODELS = ("memory_bank.npz", "coreset.npz", "local_density.npz", "detector.npz", "calibration.npz")
# Runs a pipeline and kills itself before or after the move of the file of a name.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from kedro.framework.project import settings
from kedro.framework.startup import bootstrap_project
root, name, moment, pipeline, params = sys.argv[1:]
os.chdir(root)
bootstrap_project(Path(root))
from reb_pipeline.core import atomic
move = atomic._AtomicFile.commit
def commit(self):
    is_chosen = os.path.basename(self.path) == name
    if is_chosen and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    move(self)
    if is_chosen:
        os.kill(os.getpid(), signal.SIGKILL)
atomic._AtomicFile.commit = commit
with settings.SESSION_CLASS.create(
    Path(root), env="mvtec_ad", runtime_params=json.loads(params)
) as session:
    session.run(pipeline_names=[pipeline], namespaces=["screw"])
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return tmp_path_factory.mktemp("stored")


@pytest.fixture
def run(run_project, tmp_path, stored):
    """Run a pipeline on a category with a calibrated detector, killed or not; returns what it wrote."""
    given = {"data_root": str(stored / "images"), **PARAMS}

    def run(pipelines, killed=None, **params):
        params = {**given, **params}
        if killed is None:
            return run_project("mvtec_ad", params, pipeline_names=pipelines, namespaces=["screw"])
        params["output_root"] = str(tmp_path / "out")
        command = [sys.executable, "-c", KILLED, str(ROOT), *killed, *pipelines, json.dumps(params)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == -9, done.stderr
        return tmp_path / "out"

    if (stored / "out").exists():
        shutil.copytree(stored / "out", tmp_path / "out")
    else:
        miniatures.make_mvtec_ad(stored / "images")
        miniatures.write_good(stored / "tuesday", 2, seed=71)
        shutil.copytree(run(STEPS), stored / "out")
    return run


@pytest.mark.parametrize(
    ("file", "moment"),
    [("samples.parquet", "after"), ("memory_bank.npz", "before"), ("memory_bank.npz", "after"),
     ("coreset.npz", "after"), ("detector.npz", "after")],
)  # fmt: skip
def test_a_killed_update_is_repeated(run, stored, file, moment):
    update = {"add": str(stored / "tuesday"), "forget": ["train/good/003", "train/good/00[67]"]}
    whole = stored / "whole"  # of an uninterrupted update
    if not whole.exists():
        out = run(["bank_update"], bank_update=update)
        whole.mkdir()
        for name in MODELS:
            shutil.copy(newest(out / "06_models/screw", name), whole)
        shutil.rmtree(out)
        shutil.copytree(stored / "out", out)

    out = run(["bank_update"], killed=(file, moment), bank_update=update)

    assert not read_json(out / "08_reporting", "run_manifest.json")["finished"]
    run(["bank_update"], bank_update=update)
    for name in MODELS:
        again = newest(out / "06_models/screw", name).read_bytes()
        assert again == (whole / name).read_bytes(), name
    assert not list(out.rglob("*.partial"))
    assert read_json(out / "08_reporting", "run_manifest.json")["finished"]
    run(["bank_update"], bank_update=update)  # and once more: there is nothing left to do
    bank = newest(out / "06_models/screw", "memory_bank.npz").read_bytes()
    assert bank == (whole / "memory_bank.npz").read_bytes()


def test_a_killed_ingestion_is_repeated(run, stored):
    whole = newest(stored / "out/03_primary/screw", "samples.parquet").read_bytes()
    out = run(["ingestion"], killed=("samples.parquet", "before"))
    assert list(out.rglob(".samples.parquet.*.partial"))
    run(["ingestion"])
    assert newest(out / "03_primary/screw", "samples.parquet").read_bytes() == whole
    assert not list(out.rglob("*.partial"))
