"""Inspection: verdicts, overlays and a report of new images by a packaged model."""

from reb_pipeline.pipelines.inspection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
