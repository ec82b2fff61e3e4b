"""Good images and synthetic defects -> how to score, without a label."""

from reb_pipeline.pipelines.selection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
