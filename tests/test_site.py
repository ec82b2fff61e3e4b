"""The docs site names every page, its links lead somewhere, and it builds and is viewed without a network."""

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from pages import PAGES, ROOT, SOURCES

CONFIGURATION = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
KINDS = {"tutorial", "how-to", "reference", "background", "measured"}


@pytest.fixture(scope="module")
def stage():
    spec = spec_from_file_location("stage", ROOT / "docs/site/stage.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build(stage, tmp_path_factory) -> Path:
    """A folder with all that `make docs` stages, and the configuration beside it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "zensical.toml").write_text((ROOT / "zensical.toml").read_text())
    stage.stage(folder / "build")
    return folder


def listed(nav) -> list[str]:
    """Pages of a navigation, in their order."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in listed(entry)]


def test_every_page_is_of_a_kind():
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert {page.parts[0] for page in pages} == KINDS


def test_the_configuration_names_every_page(stage):
    named = listed(CONFIGURATION["nav"])
    assert len(named) == len(set(named))
    assert set(named) == {*stage.pages().values(), *stage.packages().values()}
    assert {*PAGES} <= stage.pages().keys()
    assert {path.parent for path in SOURCES.glob("*/__init__.py")} == stage.packages().keys()


def test_links_of_staged_pages_lead_somewhere(build):
    source = build / CONFIGURATION["docs_dir"]
    for page in source.rglob("*.md"):
        if "files" in page.relative_to(source).parts:
            continue
        for link in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text()):
            assert (page.parent / link).exists(), (page, link)


@pytest.mark.skipif(find_spec("zensical") is None, reason="needs the extra docs")
def test_the_site_builds_without_warnings_or_network(build):
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    finished = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    site = build / CONFIGURATION["site_dir"]
    for place in listed(CONFIGURATION["nav"]):
        page = (site / place).with_suffix(".html").read_text()
        assert not re.findall(r"<(?:script|link|img|iframe)\b[^>]*https?://", page), place
    reference = (site / "reference/python/search.html").read_text()
    assert 'id="reb_pipeline.search.k_center.greedy_k_center"' in reference
    assert "greedy_k_center" in (site / "search.json").read_text()
