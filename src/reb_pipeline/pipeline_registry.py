"""Registry of all pipelines of the project."""

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.registry import REGISTRY


def register_pipelines() -> Mapping[str, Pipeline]:
    """Register every pipeline under its name; plain ``kedro run`` runs ``full``."""
    return REGISTRY
