"""The function of notebooks trains by the command, and loads what that made."""

import pytest

from reb_pipeline import Detector
from reb_pipeline.commands import train
from tiny_model import write_tiny

pytest.importorskip("onnx")


@pytest.mark.parametrize("output", [None, "other"])
def test_a_folder_of_photos_becomes_an_inspector(tmp_path, monkeypatch, output):
    asked = []

    def learn(photos, false_alarm_rate, output, settings):
        asked.append((photos, false_alarm_rate, output, settings))
        write_tiny(tmp_path / output)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train.command, "callback", learn)
    (tmp_path / "bolts").mkdir()
    given = {} if output is None else {"output": output, "settings": ["seed=1"]}
    inspector = Detector.fit(tmp_path / "bolts", false_alarm_rate=0.1, **given)
    assert inspector.name == "part"
    settings = () if output is None else ("seed=1",)
    assert asked == [(str(tmp_path / "bolts"), 0.1, output or "bolts.model", settings)]


def test_the_parameters_are_those_of_the_command():
    names = [parameter.name for parameter in train.command.params]
    assert names == ["photos", "false_alarm_rate", "output", "settings"]
