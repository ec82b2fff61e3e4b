"""Good images -> patch features -> memory bank and coreset."""

from reb_pipeline.pipelines.memory_bank.pipeline import create_pipeline

__all__ = ["create_pipeline"]
