"""Memory bank -> local density of its rows."""

from reb_pipeline.pipelines.ldknn_density.pipeline import create_pipeline

__all__ = ["create_pipeline"]
