"""Local density of the memory bank, and distances of held-out good patches to it."""

from reb_pipeline.pipelines.ldknn_density.pipeline import create_pipeline

__all__ = ["create_pipeline"]
