"""Selection: choice of the scoring without labels, from good images and synthetic defects."""

from reb_pipeline.pipelines.selection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
