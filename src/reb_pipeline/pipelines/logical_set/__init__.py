"""Logical set: images composed of good photos, with parts that are missing, too many, misplaced or exchanged."""

from reb_pipeline.pipelines.logical_set.pipeline import create_pipeline

__all__ = ["create_pipeline"]
