"""The default pipeline as one DAG."""

from reb_pipeline.pipelines.full.pipeline import create_pipeline

__all__ = ["create_pipeline"]
