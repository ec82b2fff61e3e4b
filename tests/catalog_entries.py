"""The catalog of an environment as Kedro resolves it."""

from pathlib import Path
from typing import Any

from kedro.io import CatalogConfigResolver

from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader

CONF = Path(__file__).parents[1] / "conf"


def resolver(env: str | None = None) -> CatalogConfigResolver:
    """Open the catalog's resolver of an environment, whose categories become those of the pipelines."""
    return CatalogConfigResolver(ProjectConfigLoader(str(CONF), env=env, **LOADER_ARGS)["catalog"])


def layer(entry: dict[str, Any]) -> str:
    """The Kedro-Viz layer of an entry."""
    return entry["metadata"]["kedro-viz"]["layer"]
