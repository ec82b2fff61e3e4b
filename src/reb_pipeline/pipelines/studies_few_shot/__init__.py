"""Study: image AUROC over the number of good images (Table 7)."""

from reb_pipeline.pipelines.studies_few_shot.pipeline import create_pipeline

__all__ = ["create_pipeline"]
