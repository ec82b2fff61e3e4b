"""`reb train` runs the whole project, is interrupted, and goes on; then its model is used and changed."""

import io
import json
import re
import shlex
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import miniatures
from pages import DOCS
from reb_pipeline.commands.main import main
from reb_pipeline.inspection.model import read_model
from reb_pipeline.inspection.threshold import ChosenThreshold
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader

SMALL = [
    "features.image_size=64",
    "features.engine=torch",
    "defect_synthesis.per_kind=1",
    "ssl_finetune.budget=demo",
    "ssl_finetune.demo.updates=2",
    "ssl_finetune.demo.freeze_updates=1",
    "ssl_finetune.demo.image_size=64",
    "ssl_finetune.demo.images_per_pass=2",
    "detection_probability.enabled=true",
    "detection_probability.draws=20",
    "detection_probability.contrasts=[40]",
]
PAGE = (DOCS / "reference/command_line.md").read_text()
LINES = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
DOUBTFUL = ["--doubtful-rate", "10%"]
COMMAND = [
    *shlex.split(LINES[0])[1:],
    *DOUBTFUL,
    *(word for text in SMALL for word in ("--set", text)),
]


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    return Done(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Working folder with the photos that the page on the commands speaks of."""
    root = tmp_path_factory.mktemp("train")
    miniatures.make_plain_folder(root, category="photos")
    miniatures.write_good(root / "photos/good", 120, seed=1000)
    miniatures.write_good(root / "new", 14, seed=300)
    for number in (12, 13):
        miniatures.write_image(root / f"new/{number:04}.png", miniatures.draw_part(number)[0])
    miniatures.write_good(root / "tuesday", 2, seed=500)
    miniatures.write_good(root / "other_day", 25, seed=600)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def trained(place):
    """The training: interrupted before the calibration, gone on, and asked for once more."""
    from reb_pipeline.project import training

    def stop(self, node):
        if node.name.endswith("calibrate"):
            raise KeyboardInterrupt
        self._began = 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Steps, "before_node_run", training.hook_impl(stop))
        interrupted = run(*COMMAND)
        was_there = Path("cookie.model").exists()
    return interrupted, was_there, run(*COMMAND), run(*COMMAND)


def test_an_interrupted_training_says_how_photos_are_used_and_that_it_goes_on(trained):
    interrupted, was_there, _, _ = trained
    assert interrupted.status == 130
    assert "the same command goes on" in interrupted.err
    found = "cookie: 123 good photos, 3 defective ones (bright_spot 1, dark_spot 2), 2 with a mask."
    assert found in interrupted.out
    shares = "2 % needs 49 calibration images; of 123 good ones, with 12 for the test, 52 calibrate"
    assert shares in interrupted.out
    assert re.search(r"This takes about .* on this machine\.", interrupted.out)
    assert not was_there


def test_the_same_command_goes_on_and_ends_with_promise_recall_report_and_next_command(trained):
    _, _, done, _ = trained
    assert done.status == 0
    finished, steps = map(int, re.search(r"Going on: (\d+) of (\d+) steps", done.out).groups())
    assert 5 < finished < steps
    assert "threshold calibrated" in done.out
    assert "photos checked" not in done.out  # done before
    assert "of 200 further good parts" in done.out
    assert re.search(r"dark_spot found +\d of 2", done.out)
    assert re.search(r"doubtful: \d+ of 12 good test images, \d of 3 defective ones", done.out)
    assert done.out.splitlines()[-1] == "Next: reb inspect NEW_PHOTOS --model cookie.model"
    assert "found sizes measured" in done.out
    assert (
        "Sizes of defects that are found"
        in Path(done.out.partition("Report: ")[2].split("\n")[0]).read_text()
    )
    assert len(done.out.splitlines()) < 25
    assert "INFO" in Path("cookie.run/training.log").read_text()


def test_the_model_is_whole(trained):
    model = read_model("cookie.model")
    assert model.manifest["name"] == "cookie"
    assert (model.calibration.false_alarm_rate, model.calibration.doubtful_rate) == (0.02, 0.1)
    assert model.calibration.guarantee == "proven"
    assert not list(Path.cwd().glob(".cookie*"))


def test_a_training_that_is_done_is_not_done_again(trained):
    _, _, _, again = trained
    assert again.status == 0
    assert "learnt with these settings already" in again.out
    assert "model packaged" not in again.out
    assert "of 200 further good parts" in again.out


def test_the_run_folder_is_a_kedro_project(trained, place, kedro):
    loader = ProjectConfigLoader("cookie.run/conf", **LOADER_ARGS)
    assert loader.categories == ["cookie"]
    assert loader["parameters"]["cookie"]["features"]["image_size"] == 64
    assert loader["catalog"]["cookie.raw_images"]["path"] == str(place / "photos")
    listed = kedro("registry", "list", cwd=place / "cookie.run")
    assert listed.returncode == 0, listed.stderr[-2000:]
    assert "- cookie\n" in listed.stdout


@pytest.mark.parametrize("line", [line for line in LINES if "--watch" not in line])
def test_a_command_of_the_page(line, trained):
    """In the order of the page; a photo that is learnt stands for that of the page."""
    if line.startswith("reb train"):
        pytest.skip("the fixture runs it")
    samples = sorted(Path("cookie.run/data/03_primary/cookie/samples.parquet").glob("*/*"))
    table = pd.read_parquet(samples[-1])
    learnt = table["id"][(table["split"] == "train") & table["id"].str.startswith("good/")]
    before = read_model("cookie.model").manifest["digest"]

    done = run(*shlex.split(line.replace("good/0012", learnt.iloc[0]))[1:])

    assert done.status in ((0, 1) if "--fail-on" in line else (0,)), done.err
    assert "No manifest says" not in done.err  # of a run folder that only these commands wrote
    if "--fail-on" in line:
        rows = json.loads(Path("inspection/inspections.json").read_text())
        asked = {"defective", "undecided", "unreadable"}
        assert done.status == int(bool(asked & {row["verdict"] for row in rows}))
    if line.startswith("reb update"):
        assert re.search(r"cookie: \d+ good photos are learnt now", done.out)
    if line.startswith(("reb update", "reb calibrate")):
        model = read_model("cookie.model")
        assert model.manifest["digest"] != before
        assert model.calibration.statement() in done.out
    if line == "reb calibrate cookie.model --false-alarm-rate 5%":
        assert "Note: The false-alarm rate is 5 % now, it was 2 %" in done.out
    if line.startswith("reb calibrate"):
        assert (model.calibration.false_alarm_rate, model.calibration.doubtful_rate) == (
            0.05,
            0.1 if "5%" in line else 0.2,
        )
    if line.startswith("reb costs"):
        what = "drawn defects" if "drawn" in line else "photos of defects"
        assert re.search(rf"52 good images that calibrate, \d+ {what}", done.out)
        assert re.search(r"cheapest +\S+ % of good .*\d\)", done.out)
        chosen = ChosenThreshold.read(Path("costs/threshold.json").read_bytes(), "threshold.json")
        assert chosen.model_id == before
        assert chosen.doubtful_threshold is not None  # whatever the doubtful rate of the model
        assert "plotly" in Path("costs/costs.html").read_text()
    if line.startswith("reb drift"):
        assert done.out.startswith("Drift of the last ")


def test_a_change_of_the_model_stays_when_the_training_is_asked_for_again(trained):
    changed = read_model("cookie.model").manifest["digest"]
    again = run(*COMMAND)
    assert again.status == 0
    stays = "Note: cookie.model was changed since, by `reb update` or `reb calibrate`, and stays as it is: its"
    assert f"{stays} false-alarm rate is 5 %." in again.out
    assert read_model("cookie.model").manifest["digest"] == changed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["update", "cookie.model"], "Nothing is to be changed: give --add FOLDER"),
        (["calibrate", "cookie.model"], "Nothing is to be changed: give --folder FOLDER"),
        (["update", "cookie.model", "--add", "gone"], "gone' is no folder that is there"),
        (
            ["update", "cookie.run", "--forget", "x"],
            "is no packaged model, for it has no model.json",
        ),
        (["update", "cookie.model", "--forget", "good/x"], "good/x"),
        (
            shlex.split("costs cookie.model --false-alarm 5 --escape 9 --defect-rate 1%"),
            "The model was changed since its defects were scored",
        ),
        (["drift", "photos", "--model", "cookie.model"], "give the output folder of `reb inspect`"),
    ],
)
def test_what_the_user_has_to_correct(trained, arguments, sentence):
    done = run(*arguments)
    assert done.status == 2
    assert sentence in done.err


def test_a_model_without_its_run_folder_cannot_be_changed(trained, tmp_path):
    shutil.copytree("cookie.model", tmp_path / "alone.model")
    done = run("update", str(tmp_path / "alone.model"), "--forget", "x")
    assert done.status == 2
    assert "alone.run' is not there, and without it the model cannot be changed" in done.err
