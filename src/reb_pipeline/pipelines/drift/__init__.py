"""Drift: comparison of inspected parts with the calibration."""

from reb_pipeline.pipelines.drift.pipeline import create_pipeline

__all__ = ["create_pipeline"]
