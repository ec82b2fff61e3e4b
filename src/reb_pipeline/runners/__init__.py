"""Ways to run pipelines beyond Kedro's own."""

from reb_pipeline.runners.dask_runner import DaskRunner

__all__ = ["DaskRunner"]
