"""The wheel: what is in it, what package indexes say of it, and that the project runs from it without a clone."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import miniatures
from conftest import ROOT

for package in ("build", "hatchling", "twine"):
    pytest.importorskip(package)

COPIED = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt")  # fmt: skip


def run(*arguments, cwd, **environment):
    finished = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout[-1000:] + finished.stderr[-2000:]
    return finished


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the project in which somebody has put credentials."""
    folder = tmp_path_factory.mktemp("clone")
    for name in (".gitignore", *COPIED):
        shutil.copy(ROOT / name, folder)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "conf/local").mkdir(exist_ok=True)
    (folder / "conf/local/credentials.yml").write_text("secret: 1\n")
    return folder


@pytest.fixture(scope="module")
def built(clone):
    """The folder of the wheel and the sdist."""
    run("build", "--no-isolation", clone, cwd=clone)
    return clone / "dist"


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The folder that the wheel was unpacked to, as pip does."""
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def files(folder: Path, *, below: str = "") -> set[str]:
    return {
        f"{below}{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_package_indexes_accept_wheel_and_sdist(built):
    checked = run("twine", "check", "--strict", *built.iterdir(), cwd=built)
    assert checked.stdout.count("PASSED") == 2


def test_the_wheel_holds_the_package_and_its_configuration_and_no_credentials(clone, installed):
    code = {name for name in files(clone / "src") if ".egg-info/" not in name}
    expected = code | files(clone / "conf", below="reb_pipeline/conf/")
    metadata = {name for name in files(installed) if ".dist-info/" in name}
    assert files(installed) - metadata == expected - {"reb_pipeline/conf/local/credentials.yml"}


def test_the_sdist_holds_no_credentials_and_can_be_built_from(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"src/reb_pipeline/__init__.py", "conf/base/catalog.yml", *COPIED} <= inside
    assert "conf/local/credentials.yml" not in inside


@pytest.mark.parametrize("configuration", ["of the wheel", "of kedro package", "of the folder"])
def test_the_project_runs_without_a_clone(clone, installed, tmp_path, configuration):
    images, folder = miniatures.make_elpv(tmp_path / "images", good=50), tmp_path / "elsewhere"
    folder.mkdir()
    source = []
    if configuration == "of kedro package":
        with tarfile.open(folder / "conf-reb_pipeline.tar.gz", "w:gz") as archive:
            archive.add(clone / "conf", "conf")
        source = ["--conf-source", "conf-reb_pipeline.tar.gz"]
    if configuration == "of the folder":
        shutil.copytree(clone / "conf", folder / "conf")
        text = (folder / "conf/base/globals.yml").read_text()
        (folder / "conf/base/globals.yml").write_text(text.replace("[mono, poly]", "[mono]"))
    given = ["--pipelines", "ingestion", "--params", f"data_root={images}"]
    run("reb_pipeline", *source, *given, cwd=folder, PYTHONPATH=str(installed))
    categories = {path.name for path in (folder / "data/03_primary").iterdir()}
    assert categories == ({"mono"} if configuration == "of the folder" else {"mono", "poly"})
