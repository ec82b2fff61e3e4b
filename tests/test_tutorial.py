"""The tutorial: its photos are there, and its commands print what it shows, but for numbers."""

import io
import json
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pages import DOCS
from reb_pipeline.commands.main import main
from served import Served

PAGE = (DOCS / "tutorial/first_report.md").read_text()
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [block for block in BLOCKS if block.startswith("reb ")]
# The smallest setting of the real thing, after those of the page.
SMALL = ["--set", "features.image_size=64", "--set", "defect_synthesis.per_kind=1"]


def shown_after(command: str) -> str:
    return BLOCKS[BLOCKS.index(command) + 1]


def shape(text: str) -> list[str]:
    """Lines without their numbers, and without the estimate of the time."""
    lines = [re.sub(r"\d[\d.,:TZ–-]*", "0", " ".join(line.split())) for line in text.splitlines()]
    counted = [re.sub(r"\b(none|0) (is|are) above", "0 is above", line) for line in lines]
    return [line for line in counted if line and not line.startswith("This takes")]


def printed_by(command: str, *more: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        assert main([*shlex.split(command)[1:], *more]) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Working folder with the photos of the tutorial."""
    (script,) = re.findall(r"^python - <<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL)
    root = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        exec(compile(script, "tutorial", "exec"), {})
        yield root


@pytest.fixture(scope="module")
def trained(place):
    return printed_by(COMMANDS[0], *SMALL)


def test_the_photos_of_the_tutorial(place):
    said = re.findall(r"^(\S+)/ +(\d+) photos", PAGE, re.MULTILINE)
    assert len(said) == 3
    assert {name: len(list((place / name).iterdir())) for name, _ in said} == {
        name: int(number) for name, number in said
    }


def test_training_prints_what_the_page_shows(trained):
    assert shape(trained) == shape(shown_after(COMMANDS[0]))


@pytest.mark.parametrize(
    "command", [line for line in COMMANDS if line.startswith("reb inspect")][:2]
)
def test_inspection_prints_what_the_page_shows(trained, command):
    assert shape(printed_by(command)) == shape(shown_after(command))
    (report,) = re.findall(r"Open `(\S+)`: the photos", PAGE)
    assert Path(report).is_file()


def test_the_service_answers_as_the_page_shows(trained):
    (serve,) = (command for command in COMMANDS if command.startswith("reb serve"))
    served = Served("-m", "reb_pipeline.commands.main", *shlex.split(serve)[1:])
    try:
        ready = json.loads(shown_after(serve))
        assert served.lines[-1].keys() == ready.keys()
        (image,) = re.findall(r"^curl -F image=@(\S+)", PAGE, re.MULTILINE)
        status, answer = served.post(Path(image).read_bytes(), "?map=false")
    finally:
        served.process.terminate()
        served.ended()
    assert status == 200
    (shown,) = (json.loads(block) for block in BLOCKS if block.startswith('{"verdict"'))
    assert answer.keys() == shown.keys()
