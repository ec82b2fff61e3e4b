"""Bank update: adds or removes good images, and updates memory bank, coreset, density, detector and calibration."""

from reb_pipeline.pipelines.bank_update.pipeline import create_pipeline

__all__ = ["create_pipeline"]
