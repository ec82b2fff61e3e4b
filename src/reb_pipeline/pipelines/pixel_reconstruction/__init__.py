"""Networks that reconstruct images from pixels, and what they reconstruct that they should not."""

from reb_pipeline.pipelines.pixel_reconstruction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
