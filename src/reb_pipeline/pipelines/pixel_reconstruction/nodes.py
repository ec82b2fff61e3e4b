"""Nodes of the pixel reconstruction pipeline."""

import logging
from typing import Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.defectmaker.records import SyntheticDefects
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import Samples, check_learnt, learnt_from
from reb_pipeline.parameters.sections import ComputeParams, EvaluationParams
from reb_pipeline.reconstruction.settings import PixelReconstructionSettings
from reb_pipeline.scoring.settings import ScoringSettings

logger = logging.getLogger(__name__)

AGAIN = "run the pipeline pixel_reconstruction again"
Trained = tuple[NetworkWeights, dict[str, Any]]


def train_autoencoder(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    checkpoint: Checkpoint,
    params: PixelReconstructionSettings,
    compute: ComputeParams,
) -> Trained:
    """Train an autoencoder to reconstruct good images; held-out images are for validation."""
    return _train("autoencoder", Samples(samples, raw_images), checkpoint, params, compute)


def train_variational_autoencoder(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    checkpoint: Checkpoint,
    params: PixelReconstructionSettings,
    compute: ComputeParams,
) -> Trained:
    """Train a variational autoencoder like :func:`train_autoencoder`."""
    category = Samples(samples, raw_images)
    return _train("variational_autoencoder", category, checkpoint, params, compute)


def train_skip_autoencoder(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    checkpoint: Checkpoint,
    params: PixelReconstructionSettings,
    compute: ComputeParams,
) -> Trained:
    """Train an autoencoder with skip connections like :func:`train_autoencoder`."""
    return _train("skip_autoencoder", Samples(samples, raw_images), checkpoint, params, compute)


def score_pixel_models(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    synthetic_defects: SyntheticDefects,
    features: FeatureSettings,
    scoring: ScoringSettings,
    evaluation: EvaluationParams,
    compute: ComputeParams,
    *models: NetworkWeights,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute the metrics of each model, and the share of a synthetic defect that it reconstructs."""
    from reb_pipeline.detectors.reconstruction import PixelReconstructionDetector
    from reb_pipeline.detectors.sources.images import SamplePixels
    from reb_pipeline.metrics.registry import measured_metrics
    from reb_pipeline.metrics.report import about_left_out, evaluate
    from reb_pipeline.reconstruction.examples import synthetic_examples
    from reb_pipeline.reconstruction.reconstructed_defects import mean_share

    category = Samples(samples, raw_images)
    examples = list(synthetic_examples(category, synthetic_defects))
    scores, rows = [], []
    for weights in models:
        check_learnt(f"The {_words(weights.config['model'])}", weights.config, samples, AGAIN)
        detector = PixelReconstructionDetector.of(weights, scoring, compute.processor())
        model, words = detector.model, _words(detector.model)
        detection = detector.detect(SamplePixels(category.test, f"test images, {words}"))
        of_images = detection.table(samples)
        report = evaluate(
            of_images,
            detection.anomaly_maps(features.image_size, scoring.smoothing_sigma).placed(samples),
            raw_images,
            pro_fpr_limit=evaluation.pro_fpr_limit,
            spro_fpr_limit=evaluation.spro_fpr_limit,
            pixel_resolution=evaluation.pixel_resolution,
            description=f"{raw_images.category}: pixel metrics, {words}",
        )
        for note in about_left_out(report):
            logger.warning("%s: %s", raw_images.category, note)
        share = mean_share(detector.reconstructor, examples)
        row = {"model": model, "loss": detector.settings.loss, **measured_metrics(report)}
        rows.append({**row, "reconstructed_share": share})
        scores.append(of_images.assign(model=model, model_fingerprint=weights.fingerprint))
    return pd.concat(scores, ignore_index=True), pd.DataFrame(rows)


def draw_reconstructions(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    synthetic_defects: SyntheticDefects,
    scores: pd.DataFrame,
    scoring: ScoringSettings,
    compute: ComputeParams,
    *models: NetworkWeights,
) -> Any:
    """Draw the reconstructions of good and defective images by each model, and the residuals."""
    from reb_pipeline.detectors.sources.images import SamplePixels
    from reb_pipeline.figures.reconstructions import reconstructions_figure
    from reb_pipeline.reconstruction.examples import choose_examples
    from reb_pipeline.reconstruction.pixels import PixelReconstructor
    from reb_pipeline.reconstruction.reconstructed_defects import reconstruct_examples

    category = Samples(samples, raw_images)
    known = {weights.fingerprint for weights in models}
    if not known.issuperset(scores.get("model_fingerprint", ())):  # not in those of older versions
        msg = f"The scores are those of other pixel networks than are given: {AGAIN}."
        raise InputError(msg)
    side = max(weights.config["image_size"] for weights in models)
    examples = choose_examples(category, synthetic_defects, scores, side)
    by_model = {}
    for weights in models:
        model, network = weights.config["model"], PixelReconstructor(weights, compute.processor())
        good = SamplePixels(category.held_out_good, f"held-out images, {_words(model)}")
        by_model[model] = reconstruct_examples(
            network, examples, good.pixels(network.side), scoring.smoothing_sigma
        )
    title = f"{raw_images.category}: what is reconstructed from pixels, and what is left"
    return reconstructions_figure(examples, by_model, title)


def _train(
    model: str,
    category: Samples,
    checkpoint: Checkpoint,
    params: PixelReconstructionSettings,
    compute: ComputeParams,
) -> Trained:
    from reb_pipeline.detectors.reconstruction import PixelReconstructionDetector
    from reb_pipeline.detectors.sources.images import SamplePixels

    detector = PixelReconstructionDetector(
        model,
        params,
        device=compute.processor(),
        description=f"{category.category}: training of the {_words(model)}",
    )
    history = detector.fit_on(
        SamplePixels(category.good_finetuning, "good images read"),
        SamplePixels(category.held_out_good, "held-out images read"),
        checkpoint,
    )
    return detector.weights.learnt_from(learnt_from(category.good_finetuning)), history


def _words(model: str) -> str:
    return model.replace("_", " ")
