"""Pixel reconstruction: networks that reconstruct images, and a test if they reconstruct defects too."""

from reb_pipeline.pipelines.pixel_reconstruction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
