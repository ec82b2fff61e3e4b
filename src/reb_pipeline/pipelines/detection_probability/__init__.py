"""Probability of detection: defects of many sizes on held-out good images, and from which size on they are found."""

from reb_pipeline.pipelines.detection_probability.pipeline import create_pipeline

__all__ = ["create_pipeline"]
