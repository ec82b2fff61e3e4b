"""The function of notebooks trains by the command, and loads what that made."""

import pytest

from reb_pipeline import Detector
from reb_pipeline.commands import train
from tiny_model import write_tiny

pytest.importorskip("onnx")


@pytest.mark.parametrize("output", [None, "other"])
def test_a_folder_of_photos_becomes_an_inspector(tmp_path, monkeypatch, output):
    asked = []

    def learn(**given):
        asked.append(given)
        write_tiny(tmp_path / given["output"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train.command, "callback", learn)
    (tmp_path / "bolts").mkdir()
    given = {} if output is None else {"output": output, "settings": ["seed=1"], "max_ms": 50}
    inspector = Detector.fit(tmp_path / "bolts", false_alarm_rate=0.1, **given)
    assert inspector.name == "part"
    assert asked == [
        {
            "photos": str(tmp_path / "bolts"),
            "false_alarm_rate": 0.1,
            "doubtful_rate": None,
            "output": output or "bolts.model",
            "max_ms": given.get("max_ms"),
            "max_mb": None,
            "settings": tuple(given.get("settings", ())),
        }
    ]
    assert {*asked[0]} == {parameter.name for parameter in train.command.params}
