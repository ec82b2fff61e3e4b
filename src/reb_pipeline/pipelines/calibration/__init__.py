"""Calibration: thresholds with a guaranteed false-alarm rate, from good images that the bank has not seen."""

from reb_pipeline.pipelines.calibration.pipeline import create_pipeline

__all__ = ["create_pipeline"]
