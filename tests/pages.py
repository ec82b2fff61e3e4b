"""Pages of the documentation, their tables, and the pipelines of each environment that they speak of."""

import re
from functools import cache
from pathlib import Path

from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from reb_pipeline.parameters import loader

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src/reb_pipeline"
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted(SOURCES.rglob("README.md")),
]


def rows(page: str) -> dict[str, list[str]]:
    """Cells of the first table row of each name in backticks."""
    found = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"`[^`]+`", cells[0]):
            found.setdefault(cells[0].strip("`"), cells[1:])
    return found


def names(cell: str) -> list[str]:
    """Everything in backticks."""
    return re.findall(r"`([^`]+)`", cell)


@cache
def pipelines(env: str = "base") -> dict[str, Pipeline]:
    """All registered pipelines of an environment."""
    from reb_pipeline.pipeline_registry import register_pipelines

    active = loader._active
    bootstrap_project(ROOT)
    try:
        loader.ProjectConfigLoader(str(ROOT / "conf"), env=env, **loader.LOADER_ARGS)
        return dict(register_pipelines())  # made while the environment is in use
    finally:
        loader._active = active
