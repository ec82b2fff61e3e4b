"""Packaging: all parts for inspection in one folder, compared with the training pipeline before it is written."""

from reb_pipeline.pipelines.packaging.pipeline import create_pipeline

__all__ = ["create_pipeline"]
