"""`reb doctor`: what is installed and works, and what must be mended."""

import shutil
import sys
from collections import namedtuple

import pytest

from reb_pipeline.commands import doctor
from reb_pipeline.commands.main import main

Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Packages that are slow to import are not looked for."""
    monkeypatch.setattr(doctor, "FOR_TRAINING", {"pandas": "pandas"})
    monkeypatch.setattr(doctor, "FOR_MORE", {})
    monkeypatch.setattr(doctor, "_weights", lambda: (doctor.GOOD, "weights: there"))
    monkeypatch.setattr(doctor, "_device", lambda: (doctor.GOOD, "device: there"))


def test_a_whole_installation(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "can train and inspect." in said
    for line in ("ok inspection: numpy", "ok training: pandas", "disk:", "threads:", "weights:"):
        assert line in said


def test_an_installation_for_inspection_alone(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "-- training: pandas cannot be imported" in said
    assert "run `pip install pandas`" in said
    assert "can inspect; for training install the packages above." in said
    assert "weights:" not in said


def test_a_package_of_the_inspection_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["doctor"]) == 2
    assert "!! inspection: onnxruntime cannot be imported" in capsys.readouterr().out


def test_weights_that_cannot_be_read(monkeypatch, capsys):
    def broken():
        raise OSError("the file is cut off")

    monkeypatch.setattr(doctor, "_weights", broken)
    assert main(["doctor"]) == 2
    assert "!! broken: OSError: the file is cut off" in capsys.readouterr().out


def test_a_full_disk(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10**6))
    assert main(["doctor"]) == 2
    assert "!! disk: 1 MB here" in capsys.readouterr().out


def test_the_weights_of_the_default_backbone():
    from reb_pipeline.features.weights import packaged_lite0

    assert sum(tensor.numel() for tensor in packaged_lite0().values()) > 4_000_000
