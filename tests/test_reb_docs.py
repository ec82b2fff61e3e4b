"""Every `reb …` command that a page shows is one that the command line understands."""

import re
import shlex

import click
import pytest

from pages import DOCS, PAGES, ROOT
from reb_pipeline.commands.main import COMMANDS, command

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
LINE = re.compile(r"^(reb(?:-inspect|-serve)? .*?)(?: +#.*)?$", re.MULTILINE)


def commands() -> dict[str, str]:
    """Each command as it is shown first, with the page that shows it."""
    found = {}
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for line in LINE.findall(block.replace("\\\n", " ")):
                found.setdefault(line, str(page.relative_to(ROOT)))
    return found


FOUND = commands()


def test_commands_are_found():
    assert {line.split()[1] for line in FOUND} >= {"train", "inspect", "update", "doctor", "drift"}


@pytest.mark.parametrize("line", FOUND, ids=lambda line: f"{FOUND[line]}: {line}")
def test_a_command_is_understood(line):
    words = shlex.split(line)
    name, *arguments = [words[0].removeprefix("reb-"), *words[1:]] if "-" in words[0] else words[1:]
    found = command.get_command(click.Context(command), name)
    assert found is not None
    found.make_context(name, arguments)  # refuses what it does not take


def test_the_page_lists_every_command():
    page = (DOCS / "reference/command_line.md").read_text()
    assert [name for name in COMMANDS if f"`reb {name}`" not in page] == []
