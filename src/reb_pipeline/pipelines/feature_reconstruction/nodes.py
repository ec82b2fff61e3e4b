"""Nodes of the feature reconstruction pipeline."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import (
    ComputeParams,
    EvaluationParams,
    FeatureParams,
    FeatureReconstructionParams,
    ScoringParams,
)
from reb_pipeline.pipelines.map_scoring import score_maps
from reb_pipeline.reconstruction.residual_maps import ResidualMaps
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

if TYPE_CHECKING:
    from reb_pipeline.features.levels import LevelExtractor


def train_feature_decoder(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    feature_decoder_checkpoint: Checkpoint,
    features: FeatureParams,
    params: FeatureReconstructionParams,
    compute: ComputeParams,
) -> tuple[NetworkWeights, dict[str, Any]]:
    """Learn to reconstruct the encoder's features of good images; those held out are validated on."""
    from reb_pipeline.features.levels import LevelExtractor
    from reb_pipeline.images.samples import good_finetuning, held_out_good
    from reb_pipeline.reconstruction import features as reconstruction
    from reb_pipeline.reconstruction.training import ReconstructionSettings

    encoder = _encoder(features, params)
    extractor = LevelExtractor(**encoder, device=compute.device)
    train, held_out = good_finetuning(samples), held_out_good(samples)
    return reconstruction.train_feature_decoder(
        _levels(train, raw_images, extractor, features),
        len(train),
        held_out=_levels(held_out, raw_images, extractor, features, "held-out images encoded"),
        loss=params.loss,
        settings=ReconstructionSettings(**params.settings()),
        checkpoint=feature_decoder_checkpoint,
        config=encoder,
        device=compute.processor(),
        description=f"{raw_images.category}: training of the feature decoder",
    )


def draw_decoder_curve(history: dict[str, Any]) -> Any:
    """Draw the loss of the training."""
    from reb_pipeline.figures.training import loss_figure

    return loss_figure(history, "Reconstruction of the encoder's features")


def reconstruct_features(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    feature_decoder: NetworkWeights,
    features: FeatureParams,
    params: FeatureReconstructionParams,
    compute: ComputeParams,
) -> tuple[ResidualMaps, ResidualMaps]:
    """Measure how badly the features of test images and of held-out good images are reconstructed."""
    from reb_pipeline.features.levels import LevelExtractor
    from reb_pipeline.images.samples import held_out_good
    from reb_pipeline.reconstruction.features import FeatureReconstructor
    from reb_pipeline.reconstruction.residual_maps import measure_residuals

    encoder = _encoder(features, params)
    _insist_on(feature_decoder, {**encoder, "loss": params.loss})
    extractor = LevelExtractor(**encoder, device=compute.device)
    reconstructor = FeatureReconstructor(feature_decoder, compute.processor())

    def measure(rows: pd.DataFrame, description: str) -> ResidualMaps:
        levels = _levels(rows, raw_images, extractor, features, description)
        return measure_residuals(
            levels, reconstructor, feature_decoder.fingerprint, features.batch_size
        )

    return (
        measure(samples[samples["split"] == "test"], "test images reconstructed"),
        measure(held_out_good(samples), "held-out good images reconstructed"),
    )


def fuse_residual_maps(
    samples: pd.DataFrame,
    feature_residuals: ResidualMaps,
    features: FeatureParams,
    params: FeatureReconstructionParams,
    scoring: ScoringParams,
) -> tuple[pd.DataFrame, AnomalyMaps]:
    """Fuse the levels to scores of patches; from these, one score and one anomaly map an image."""
    fused = feature_residuals.fuse(params.fusion)
    return score_maps(samples, feature_residuals.image_ids, fused, features, scoring)


def draw_residual_maps(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    feature_residuals: ResidualMaps,
    maps: AnomalyMaps,
    params: EvaluationParams,
) -> Any:
    """Draw the residual maps of the hardest images level by level, beside what they are fused to."""
    from reb_pipeline.figures.residuals import residual_maps_of

    title = f"{raw_images.category}: reconstruction of features"
    return residual_maps_of(
        scores, feature_residuals, maps, raw_images, params.examples_per_kind, title
    )


def _encoder(features: FeatureParams, params: FeatureReconstructionParams) -> dict[str, Any]:
    """Everything that decides what is reconstructed: the arguments of ``LevelExtractor``."""
    return {
        "backbone": features.backbone,
        "weights": features.weights,
        "image_size": features.image_size,
        "layers": params.layers,
    }


def _insist_on(decoder: NetworkWeights, asked: dict[str, Any]) -> None:
    """Check that the decoder was trained for what is asked.

    Raises:
        InputError: For the first setting that differs.
    """
    for name, wanted in asked.items():
        if decoder.config[name] != wanted:
            msg = (
                f"The feature decoder was trained with {name} = {decoder.config[name]!r}, not {wanted!r}: run the "
                f"pipeline feature_reconstruction again, or set {name} back."
            )
            raise InputError(msg)


def _levels(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    extractor: "LevelExtractor",
    features: FeatureParams,
    description: str | None = None,
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Stream the images of ``samples`` through the encoder, behind a progress bar where it has a description."""
    from reb_pipeline.features.levels import extract_levels

    rows = progress(
        zip(samples["id"], samples["path"], strict=True),
        description and f"{raw_images.category}: {description}",
        total=len(samples),
    )
    images = ((image_id, raw_images.open_image(path)) for image_id, path in rows)
    return extract_levels(extractor, images, features.batch_size)
