"""Study: image AUROC and images per second over the coreset's share (Figure 4)."""

from reb_pipeline.pipelines.studies_coreset.pipeline import create_pipeline

__all__ = ["create_pipeline"]
