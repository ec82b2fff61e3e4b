"""Study: image AUROC over K (Figure 5)."""

from reb_pipeline.pipelines.studies_neighbors.pipeline import create_pipeline

__all__ = ["create_pipeline"]
