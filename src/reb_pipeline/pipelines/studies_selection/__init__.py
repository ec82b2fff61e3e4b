"""Study: what the choice without labels is worth, against the paper's default and the oracle."""

from reb_pipeline.pipelines.studies_selection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
