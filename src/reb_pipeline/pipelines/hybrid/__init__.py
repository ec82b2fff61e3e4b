"""Hybrid: memory bank and feature reconstruction as one detector."""

from reb_pipeline.pipelines.hybrid.pipeline import create_pipeline

__all__ = ["create_pipeline"]
