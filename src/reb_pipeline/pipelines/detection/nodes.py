"""Nodes of the detection pipeline."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import CalibrationParams, ComputeParams, EvaluationParams
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.scoring.settings import ScoringSettings

logger = logging.getLogger(__name__)


def detect_images(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    features: FeatureSettings,
    memory_bank: MemoryBankSettings,
    scoring: ScoringSettings,
    feature_reconstruction: FeatureReconstructionSettings,
    pixel_reconstruction: PixelReconstructionSettings,
    params: CalibrationParams,
    compute: ComputeParams,
) -> tuple[pd.DataFrame, AnomalyMaps, Calibration]:
    """Fit the detector of `scoring.detector` on good images; score test images, and good ones for the calibration."""
    from reb_pipeline.detectors.registry import DetectorSettings, make_detector
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.pipelines.calibration.nodes import highest_of_maps, images_of_folder

    backbone.check_learnt(samples)
    category, encoder = Samples(samples, raw_images), Encoder(features, backbone, compute.device)
    settings = DetectorSettings(
        memory_bank,
        scoring,
        feature_reconstruction,
        pixel_reconstruction,
        compute.processor(),
        f"{raw_images.category}: {scoring.detector}",
    )
    detector = make_detector(scoring.detector, settings)
    good = category.good_training
    unseen = ImageFeatures.of_samples(
        category.only(samples[(samples["split"] == "calibration") & (samples["label"] == 0)]),
        encoder,
    )
    if params.folder is not None:
        unseen = images_of_folder(
            params.folder, samples, good.ids, encoder, raw_images.category, good.value_range
        )
    detector.fit(ImageFeatures.of_samples(good, encoder, "good images learnt"))
    found = detector.detect(ImageFeatures.of_samples(category.test, encoder, "test images scored"))
    scores = peaks = np.empty(0, np.float32)
    if unseen.image_ids:
        of_good = detector.detect(unseen)
        scores, peaks = of_good.image_scores, highest_of_maps(of_good, features, scoring)
    calibration = Calibration(
        image_scores=scores,
        peak_scores=peaks,
        image_ids=unseen.image_ids,
        false_alarm_rate=params.false_alarm_rate,
        source=params.folder or CALIBRATION_SPLIT,
        alpha=0.0,
        coreset_fingerprint="",
        scoring=scoring.model_dump(mode="json"),
        mean_features=np.empty((len(scores), 0), np.float32),
    )
    log = logger.info if calibration.is_promised else logger.warning
    log("%s: %s", raw_images.category, calibration.statement())
    maps = found.anomaly_maps(features.image_size, scoring.smoothing_sigma)
    return found.table(samples).assign(detector=scoring.detector), maps, calibration


def compute_metrics(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    maps: AnomalyMaps,
    calibration: Calibration,
    params: EvaluationParams,
) -> dict[str, Any]:
    """Compute metrics, and what is found and flagged by mistake at the calibrated threshold."""
    from reb_pipeline.pipelines.evaluation.nodes import with_threshold

    metrics = with_threshold(scores, raw_images, maps, params, calibration)
    return {**metrics, "detector": calibration.scoring["detector"]}
