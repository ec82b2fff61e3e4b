"""All pipelines of the project."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Every package of ``reb_pipeline.pipelines`` under its own name; plain ``kedro run`` runs ``full``."""
    pipelines = find_pipelines(raise_errors=True)
    if "full" in pipelines:
        pipelines["__default__"] = pipelines["full"]
    return pipelines
