"""Feature reconstruction: a decoder learns to reconstruct the features of good images by a frozen encoder."""

from reb_pipeline.pipelines.feature_reconstruction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
