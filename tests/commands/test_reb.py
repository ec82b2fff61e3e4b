"""The command ``reb``: its sub-commands, its help, its version."""

import subprocess
import sys
import tomllib

import pytest

from conftest import ROOT
from reb_pipeline import __version__
from reb_pipeline.commands.main import COMMANDS, command, main
from reb_pipeline.core.command_line import PLACE

HEAVY = {"kedro", "torch", "numpy", "pandas", "cv2", "PIL", "pydantic", "fsspec"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_sub_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: reb {name}")


def test_the_help_lists_every_sub_command_and_imports_none(capsys):
    program = (
        "import sys\n"
        "from reb_pipeline.commands.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {sorted(HEAVY)} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for name, (_, line) in COMMANDS.items():
        assert f"{name} " in done.stdout
        assert line in done.stdout


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_an_unknown_sub_command_ends_with_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["inspekt"])
    assert "inspekt" in capsys.readouterr().err


def test_scripts_are_installed():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {
        "reb": "reb_pipeline.commands.main:main",
        "reb-inspect": "reb_pipeline.inspection.cli:main",
        "reb-serve": "reb_pipeline.service.cli:main",
    }


def test_the_home_folder_is_found_where_the_shell_leaves_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert PLACE.convert("~/photos, new", None, None) == f"{tmp_path}/photos, new"
    assert PLACE.convert("s3://bucket/~", None, None) == "s3://bucket/~"


def test_names_of_the_group_are_those_of_the_table():
    assert command.list_commands(None) == list(COMMANDS)


@pytest.mark.parametrize("module", ["kedro", "kedro.framework.project"])
def test_a_missing_package_is_one_sentence(module, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["update", str(tmp_path), "--forget", "x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: This command needs kedro, which is not installed")
    assert "`reb doctor` lists" in said


def test_a_missing_module_of_the_project_is_a_defect(monkeypatch):
    monkeypatch.setitem(sys.modules, "reb_pipeline.commands.kedro", None)
    monkeypatch.delitem(sys.modules, "reb_pipeline.commands.update", raising=False)
    with pytest.raises(ModuleNotFoundError):
        main(["update", "x", "--forget", "x"])
