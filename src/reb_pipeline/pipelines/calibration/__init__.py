"""Good images that the bank has not seen -> thresholds that keep a false-alarm rate."""

from reb_pipeline.pipelines.calibration.pipeline import create_pipeline

__all__ = ["create_pipeline"]
