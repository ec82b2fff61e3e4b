"""Evaluation: scores, anomaly maps, metrics and figures of test images."""

from reb_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
