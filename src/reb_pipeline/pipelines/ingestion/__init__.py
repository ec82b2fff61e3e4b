"""Ingestion: table of samples and audit of raw images."""

from reb_pipeline.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
