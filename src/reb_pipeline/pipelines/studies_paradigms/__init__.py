"""Study: remembering good images against reconstructing them, with what either costs."""

from reb_pipeline.pipelines.studies_paradigms.pipeline import create_pipeline

__all__ = ["create_pipeline"]
