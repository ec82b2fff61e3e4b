"""Runners of pipelines in addition to Kedro's runners."""

from reb_pipeline.project.runners.dask_runner import DaskRunner

__all__ = ["DaskRunner"]
