"""New images and a packaged model -> verdicts, overlays and a report."""

from reb_pipeline.pipelines.inspection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
