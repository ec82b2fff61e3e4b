"""Good images added or forgotten -> memory bank, coreset, local density and calibration that follow."""

from reb_pipeline.pipelines.bank_update.pipeline import create_pipeline

__all__ = ["create_pipeline"]
