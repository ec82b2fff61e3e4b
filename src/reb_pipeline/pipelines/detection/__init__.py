"""Detection: any detector by its name, scored and calibrated like the memory bank."""

from reb_pipeline.pipelines.detection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
