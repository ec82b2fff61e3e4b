"""Memory bank: patch features of good images, and their coreset."""

from reb_pipeline.pipelines.memory_bank.pipeline import create_pipeline

__all__ = ["create_pipeline"]
