"""Study: ImageNet features and those fine-tuned on several kinds of synthetic defects (Table 5)."""

from reb_pipeline.pipelines.studies_representations.pipeline import create_pipeline

__all__ = ["create_pipeline"]
