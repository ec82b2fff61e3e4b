"""Study: image AUROC over alpha by coreset share (Figure 7)."""

from reb_pipeline.pipelines.studies_alpha.pipeline import create_pipeline

__all__ = ["create_pipeline"]
