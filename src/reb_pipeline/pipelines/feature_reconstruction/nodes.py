"""Nodes of the feature reconstruction pipeline."""

from dataclasses import replace
from typing import Any

import pandas as pd

from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import Samples, check_learnt, learnt_from
from reb_pipeline.parameters.sections import ComputeParams, EvaluationParams
from reb_pipeline.reconstruction.residual_maps import ResidualMaps
from reb_pipeline.reconstruction.settings import FeatureReconstructionSettings
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.scoring.settings import ScoringSettings

AGAIN = "run the pipeline feature_reconstruction again"


def train_feature_decoder(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    feature_decoder_checkpoint: Checkpoint,
    features: FeatureSettings,
    params: FeatureReconstructionSettings,
    compute: ComputeParams,
) -> tuple[NetworkWeights, dict[str, Any]]:
    """Train a decoder to reconstruct the encoder's features of good images; held-out images are for validation."""
    from reb_pipeline.detectors.reconstruction import FeatureReconstructionDetector
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures

    category, encoder = Samples(samples, raw_images), Encoder.initial(features, compute.device)
    detector = FeatureReconstructionDetector(
        params,
        device=compute.processor(),
        description=f"{raw_images.category}: training of the feature decoder",
    )
    history = detector.fit_on(
        ImageFeatures.of_samples(category.good_finetuning, encoder),
        ImageFeatures.of_samples(category.held_out_good, encoder, "held-out images encoded"),
        params.encoder(features),
        feature_decoder_checkpoint,
    )
    return detector.weights.learnt_from(learnt_from(category.good_finetuning)), history


def draw_decoder_curve(history: dict[str, Any]) -> Any:
    """Draw the loss of the training."""
    from reb_pipeline.figures.training import loss_figure

    return loss_figure(history, "Reconstruction of the encoder's features")


def reconstruct_features(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    feature_decoder: NetworkWeights,
    features: FeatureSettings,
    params: FeatureReconstructionSettings,
    compute: ComputeParams,
) -> tuple[ResidualMaps, ResidualMaps]:
    """Measure the residuals of the features of test images and of held-out good images."""
    from reb_pipeline.detectors.reconstruction import FeatureReconstructionDetector
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures

    check_learnt("The feature decoder", feature_decoder.config, samples, AGAIN)
    detector = FeatureReconstructionDetector.of(
        feature_decoder, params, params.encoder(features), device=compute.processor()
    )
    category, encoder = Samples(samples, raw_images), Encoder.initial(features, compute.device)
    test = ImageFeatures.of_samples(category.test, encoder, "test images reconstructed")
    good = ImageFeatures.of_samples(
        category.held_out_good, encoder, "held-out good images reconstructed"
    )
    of_test, of_good = (
        replace(detector.residuals(images, features.batch_size), image_hashes=images.image_hashes)
        for images in (test, good)
    )
    return of_test, of_good


def fuse_residual_maps(
    samples: pd.DataFrame,
    feature_residuals: ResidualMaps,
    features: FeatureSettings,
    params: FeatureReconstructionSettings,
    scoring: ScoringSettings,
) -> tuple[pd.DataFrame, AnomalyMaps]:
    """Fuse the levels to scores of patches, and compute one score and one anomaly map per image from them."""
    feature_residuals.check_samples(samples[samples["split"] == "test"])
    detection = feature_residuals.score(params.fusion, scoring)
    maps = detection.anomaly_maps(features.image_size, scoring.smoothing_sigma).placed(samples)
    table = detection.table(samples)
    return table.assign(residuals_fingerprint=feature_residuals.fingerprint), maps


def draw_residual_maps(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    feature_residuals: ResidualMaps,
    maps: AnomalyMaps,
    params: EvaluationParams,
) -> Any:
    """Draw the residual maps of the hardest images by level, beside their fusion."""
    from reb_pipeline.figures.residuals import residual_maps_of
    from reb_pipeline.metrics.report import measured

    maps.check_detection("scores", scores.get("detection_fingerprint", ()))
    feature_residuals.check_scores(scores.get("residuals_fingerprint", ()))
    scores = measured(scores)
    title = f"{raw_images.category}: reconstruction of features"
    return residual_maps_of(
        scores, feature_residuals, maps, raw_images, params.examples_per_kind, title
    )
