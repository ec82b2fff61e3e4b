"""Fine-tuning: a backbone adapted to the category by synthetic defects."""

from reb_pipeline.pipelines.ssl_finetune.pipeline import create_pipeline

__all__ = ["create_pipeline"]
