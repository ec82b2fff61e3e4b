"""Memory bank -> local density of its rows, and how far held-out good patches are from it."""

from reb_pipeline.pipelines.ldknn_density.pipeline import create_pipeline

__all__ = ["create_pipeline"]
