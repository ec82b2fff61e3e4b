"""Detection packaging: the detector of the pipeline detection as a packaged model."""

from reb_pipeline.pipelines.detection_packaging.pipeline import create_pipeline

__all__ = ["create_pipeline"]
