"""Raw images -> table of samples and audit."""

from reb_pipeline.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
