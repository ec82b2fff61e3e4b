"""A frozen encoder, and a decoder that learns to reconstruct its features of good images."""

from reb_pipeline.pipelines.feature_reconstruction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
