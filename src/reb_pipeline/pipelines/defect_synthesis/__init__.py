"""Defect synthesis: saliency maps of good images, synthetic defects, and a gallery of them."""

from reb_pipeline.pipelines.defect_synthesis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
