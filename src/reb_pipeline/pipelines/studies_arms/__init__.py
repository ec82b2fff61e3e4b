"""Study: the four arms of REB, each with and without fine-tuning and LDKNN (Tables 2 to 4, Figure 6)."""

from reb_pipeline.pipelines.studies_arms.pipeline import create_pipeline

__all__ = ["create_pipeline"]
