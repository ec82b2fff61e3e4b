"""Study: the patch scorers of Table 6, other detectors, distances and image scores."""

from reb_pipeline.pipelines.studies_detectors.pipeline import create_pipeline

__all__ = ["create_pipeline"]
