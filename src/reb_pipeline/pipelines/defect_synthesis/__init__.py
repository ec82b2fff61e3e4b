"""Good images -> saliency maps -> synthetic defects and their gallery."""

from reb_pipeline.pipelines.defect_synthesis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
