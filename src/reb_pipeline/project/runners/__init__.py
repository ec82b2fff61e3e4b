"""Ways to run pipelines beyond Kedro's own."""

from reb_pipeline.project.runners.dask_runner import DaskRunner

__all__ = ["DaskRunner"]
