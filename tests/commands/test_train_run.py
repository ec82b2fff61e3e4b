"""`reb train` runs the whole project, is interrupted, and goes on."""

import re
from pathlib import Path

import pytest

import miniatures
from reb_pipeline.commands.main import main
from reb_pipeline.inspection.model import read_model
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader

SMALL = [
    "features.image_size=64",
    "defect_synthesis.per_kind=1",
    "ssl_finetune.budget=demo",
    "ssl_finetune.demo.updates=2",
    "ssl_finetune.demo.freeze_updates=1",
    "ssl_finetune.demo.image_size=64",
    "ssl_finetune.demo.images_per_pass=2",
]


def options(*settings):
    return [word for text in (*SMALL, *settings) for word in ("--set", text)]


@pytest.fixture
def photos(tmp_path):
    """Good photos with a test of their own, two defect types, in a folder with a space and a comma."""
    folder = miniatures.make_mvtec_ad(tmp_path, category="bolts, new")
    miniatures.write_good(folder / "bolts, new/train/good", 30)
    return folder / "bolts, new"


def test_photos_become_a_model_though_interrupted(photos, tmp_path, monkeypatch, capsys):
    from reb_pipeline.project import training

    monkeypatch.chdir(tmp_path)
    command = ["train", str(photos), "--false-alarm-rate", "10%", "--output", "bolt.model"]
    command += options()

    def stop(self, node):
        if node.name.endswith("calibrate"):
            raise KeyboardInterrupt
        self._began = 0.0

    with monkeypatch.context() as patch:
        patch.setattr(training.Steps, "before_node_run", training.hook_impl(stop))
        assert main(command) == 130
    said = capsys.readouterr()
    assert "the same command goes on" in said.err
    assert (
        "bolt: 33 good photos, 3 defective ones (bright_spot 1, dark_spot 2), 3 with a mask."
        in said.out
    )
    assert (
        "10 % needs 9 calibration images; of 33 good ones, with 3 for the test, 9 calibrate"
        in said.out
    )
    assert not Path("bolt.model").exists()

    assert main(command) == 0
    said = capsys.readouterr()
    done, steps = map(int, re.search(r"Going on: (\d+) of (\d+) steps", said.out).groups())
    assert 5 < done < steps
    assert "threshold calibrated" in said.out
    assert "photos checked" not in said.out  # done before
    assert "of 200 further good parts" in said.out
    assert re.search(r"dark_spot found +\d of 2", said.out)
    assert said.out.splitlines()[-1] == "Next: reb inspect NEW_PHOTOS --model bolt.model"
    report = re.search(r"Report: (.*)", said.out)[1]
    assert Path(report).is_file()
    assert len(said.out.splitlines()) < 25
    assert "INFO" in Path("bolt.run/training.log").read_text()
    model = read_model("bolt.model")
    assert model.manifest["name"] == "bolt"
    assert model.calibration.false_alarm_rate == 0.1
    assert model.calibration.guarantee == "proven"
    assert not list(Path.cwd().glob(".bolt*"))

    before = Path("bolt.model/model.json").stat().st_mtime_ns
    assert main(command) == 0  # nothing is left to do
    assert "model packaged" not in capsys.readouterr().out
    assert Path("bolt.model/model.json").stat().st_mtime_ns == before

    # The run folder is a Kedro project with these settings.
    loader = ProjectConfigLoader("bolt.run/conf", **LOADER_ARGS)
    assert loader.categories == ["bolt"]
    assert loader["parameters"]["bolt"]["features"]["image_size"] == 64
    assert loader["catalog"]["bolt.raw_images"]["path"] == str(photos.parent / "bolts, new")
    assert "reb_pipeline" in Path("bolt.run/pyproject.toml").read_text()
