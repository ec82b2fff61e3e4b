"""Messages and pages give pip no name that is on no index."""

import re
from importlib.metadata import PackageNotFoundError

import pytest

from pages import PAGES, ROOT
from reb_pipeline.core import installing

TEXTS = [
    *PAGES,
    *sorted((ROOT / "conf").rglob("*.yml")),
    *(path for name in ("src", "tools", "benchmarks") for path in (ROOT / name).rglob("*.py")),
    ROOT / "notebooks/quickstart.ipynb",
    ROOT / "Makefile",
]
# The name of the project as pip would look it up; a file of its wheel has a version after the name.
ON_NO_INDEX = re.compile(
    r"(?:pipx?|uv|uvx) [^\n`]*?(?<![\w/.-])reb[-_]pipeline(?![\w/-]*[.*\d]|-\*)|reb[-_]pipeline\["
)


def test_no_command_takes_the_project_from_an_index():
    found = {path: ON_NO_INDEX.search(path.read_text()) for path in TEXTS}
    assert {path: match[0] for path, match in found.items() if match} == {}


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("pip install reb-pipeline", True),
        ("pip install 'reb-pipeline[serve]'", True),
        ("`s3://…` with `reb-pipeline[s3]`", True),
        ("uv pip install --upgrade reb_pipeline", True),
        ("pipx install reb-pipeline==0.1.0", True),
        ("pip install -e '.[serve]'", False),
        ("pip install reb_pipeline-*.whl", False),
        ("pip install 'reb_pipeline-0.1.0-py3-none-any.whl[serve]'", False),
        ("pip install --no-deps dist/reb_pipeline-0.1.0-py3-none-any.whl", False),
        ("update reb-pipeline.", False),
    ],
)
def test_such_a_command_would_be_found(text, is_found):
    assert bool(ON_NO_INDEX.search(text)) == is_found


def test_an_extra_is_installed_by_its_name_in_a_clone():
    assert installing.install_command("serve") == "pip install -e '.[serve]'"


def test_an_extra_is_installed_package_by_package_from_a_wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(installing, "_CLONE", tmp_path)
    lines = [
        "numpy>=2.0",
        "uvicorn>=0.32; extra == 'serve'",
        'fastapi>=0.133 ; extra == "serve"',
        "s3fs>=2025.5; extra == 's3'",
    ]
    monkeypatch.setattr(installing, "requires", lambda name: lines)
    command = installing.install_command("serve")
    assert command == "pip install 'uvicorn>=0.32' 'fastapi>=0.133'"


def test_sources_without_metadata_are_no_error(monkeypatch, tmp_path):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installing, "_CLONE", tmp_path)
    monkeypatch.setattr(installing, "requires", missing)
    assert installing.install_command("s3").startswith("pip install")
