"""Nodes of the hybrid pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.samples import held_out_good
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.reconstruction.residual_maps import ResidualMaps
from reb_pipeline.reconstruction.settings import FeatureReconstructionSettings
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings


def fuse_detectors(
    samples: pd.DataFrame,
    nearest_patches: NearestPatches,
    held_out_patches: NearestPatches,
    detector: MemoryBankDetector,
    feature_residuals: ResidualMaps,
    held_out_feature_residuals: ResidualMaps,
    features: FeatureSettings,
    params: FeatureReconstructionSettings,
    scoring: ScoringSettings,
) -> tuple[pd.DataFrame, AnomalyMaps]:
    """Scale the patch scores of both detectors to a common unit on held-out good images, and average them."""
    from reb_pipeline.scoring.surprise import fuse_detections

    test = samples[samples["split"] == "test"]
    nearest_patches.check_samples(test, "evaluation", complete=True)
    held_out_patches.check_samples(held_out_good(samples), "ldknn_density", complete=False)
    feature_residuals.check_samples(test)
    held_out_feature_residuals.check_samples(held_out_good(samples))
    held_out_feature_residuals.check_decoder(feature_residuals.decoder_fingerprint)
    _check_same_images("test", nearest_patches, feature_residuals)
    _check_same_images("held-out good", held_out_patches, held_out_feature_residuals)
    detector.check_settings(scoring, features.image_size)
    searched, reconstructed = (
        detector.score(nearest_patches),
        feature_residuals.score(params.fusion, scoring),
    )
    good = [
        detector.score(held_out_patches),
        held_out_feature_residuals.score(params.fusion, scoring),
    ]
    detection = fuse_detections([searched, reconstructed], good, scoring)
    table = detection.table(samples).assign(
        memory_bank=searched.image_scores, feature_reconstruction=reconstructed.image_scores
    )
    maps = detection.anomaly_maps(features.image_size, scoring.smoothing_sigma)
    return table, maps.placed(samples)


def draw_comparison(scores: pd.DataFrame, category: str) -> Any:
    """Draw the scores of test images by both detectors."""
    from reb_pipeline.figures.comparison import comparison_figure
    from reb_pipeline.metrics.report import measured

    title = f"{category}: memory bank and feature reconstruction"
    return comparison_figure(measured(scores), ("memory_bank", "feature_reconstruction"), title)


def _check_same_images(kind: str, searched: NearestPatches, reconstructed: ResidualMaps) -> None:
    """Check that both detectors scored the same images.

    Raises:
        InputError: If they scored different images.
    """
    if searched.image_ids != reconstructed.image_ids:
        msg = (
            f"The {kind} images of the memory bank ({len(searched.image_ids)}) and of the feature reconstruction "
            f"({len(reconstructed.image_ids)}) are not the same: run the pipelines memory_bank, ldknn_density, "
            f"evaluation and feature_reconstruction again."
        )
        raise InputError(msg)
