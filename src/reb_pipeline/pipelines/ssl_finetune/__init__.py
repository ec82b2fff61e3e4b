"""Synthetic defects -> backbone adapted to the category."""

from reb_pipeline.pipelines.ssl_finetune.pipeline import create_pipeline

__all__ = ["create_pipeline"]
