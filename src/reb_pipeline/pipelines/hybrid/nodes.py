"""Nodes of the hybrid pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import (
    FeatureParams,
    FeatureReconstructionParams,
    ScoringParams,
)
from reb_pipeline.pipelines.map_scoring import image_scores, score_maps
from reb_pipeline.pipelines.patch_scoring import score_patches
from reb_pipeline.reconstruction.residual_maps import ResidualMaps
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps


def fuse_detectors(
    samples: pd.DataFrame,
    nearest_patches: NearestPatches,
    held_out_patches: NearestPatches,
    local_density: LocalDensity,
    memory_bank: MemoryBank,
    coreset: Coreset,
    feature_residuals: ResidualMaps,
    held_out_feature_residuals: ResidualMaps,
    features: FeatureParams,
    params: FeatureReconstructionParams,
    scoring: ScoringParams,
) -> tuple[pd.DataFrame, AnomalyMaps]:
    """Bring the patch scores of both detectors to one unit, by held-out good images, and average them."""
    from reb_pipeline.scoring.surprise import fuse_surprise, surprise

    held_out_feature_residuals.insist_on(feature_residuals.decoder_fingerprint)
    _insist_on_same("test", nearest_patches, feature_residuals)
    _insist_on_same("held-out good", held_out_patches, held_out_feature_residuals)
    bank = (held_out_patches, local_density, memory_bank, coreset, features, scoring)
    _, of_bank, searched = score_patches(nearest_patches, *bank)
    _, _, good_searched = score_patches(held_out_patches, *bank)
    reconstructed = feature_residuals.fuse(params.fusion)
    good_reconstructed = held_out_feature_residuals.fuse(params.fusion)
    fused = fuse_surprise(
        [
            surprise(searched.patch_scores, good_searched.patch_scores),
            surprise(reconstructed, good_reconstructed),
        ]
    )
    table, maps = score_maps(samples, nearest_patches.image_ids, fused, features, scoring)
    of_reconstruction = image_scores(reconstructed, scoring)
    return table.assign(memory_bank=of_bank, feature_reconstruction=of_reconstruction), maps


def draw_comparison(scores: pd.DataFrame, raw_images: ImageCollection) -> Any:
    """Draw the scores of test images by both detectors."""
    from reb_pipeline.figures.comparison import comparison_figure

    title = f"{raw_images.category}: memory bank and feature reconstruction"
    return comparison_figure(scores, ("memory_bank", "feature_reconstruction"), title)


def _insist_on_same(kind: str, searched: NearestPatches, reconstructed: ResidualMaps) -> None:
    """Check that both detectors judged the same images.

    Raises:
        InputError: If they did not.
    """
    if searched.image_ids != reconstructed.image_ids:
        msg = (
            f"The {kind} images of the memory bank ({len(searched.image_ids)}) and of the feature reconstruction "
            f"({len(reconstructed.image_ids)}) are not the same: run the pipelines memory_bank, ldknn_density, "
            f"evaluation and feature_reconstruction again."
        )
        raise InputError(msg)
