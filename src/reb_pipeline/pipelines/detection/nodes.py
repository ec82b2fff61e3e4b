"""Nodes of the detection pipeline."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import CALIBRATION_SPLIT, LEFT_OUT, Calibration
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.parts import part_names
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import CalibrationParams, ComputeParams, EvaluationParams
from reb_pipeline.pipelines.calibration.nodes import (
    chosen_by,
    highest_of_maps,
    images_of_folder,
    left_out_needed,
)
from reb_pipeline.pipelines.calibration.parts import by_part, n_whole
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.gaussians import StoredDetector
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
) -> tuple[pd.DataFrame, AnomalyMaps, Calibration, StoredDetector]:
    """Fit the detector of `scoring.detector` on good images; score test images, and good ones for the calibration."""
    from reb_pipeline.detectors.gaussian import Gaussians
    from reb_pipeline.detectors.registry import DetectorSettings, make_detector
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.samples import Samples, held_out_good

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
    learnt, source = category.good_training, params.folder or CALIBRATION_SPLIT
    held_out = held_out_good(samples)
    calibrating = category.only(held_out[held_out["split"] == "calibration"])
    unseen = ImageFeatures.of_samples(calibrating, encoder)
    good = ImageFeatures.of_samples(learnt, encoder, "good images learnt")
    if params.folder is not None:
        unseen = images_of_folder(
            params.folder,
            samples,
            learnt.ids,
            encoder,
            raw_images.category,
            good.provenance,
        )
    detector.fit(good)
    found = detector.detect(ImageFeatures.of_samples(category.test, encoder, "test images scored"))
    n_unseen = len(unseen.image_ids)
    if params.folder is None:
        n_unseen = n_whole(unseen.image_ids, samples)
    n_enough = left_out_needed(params, n_unseen, n_whole(good.image_ids, samples))
    if n_enough and isinstance(detector, Gaussians):
        left_out = detector.score_left_out(
            good, n_enough, compute.memory_gib, "images left out in turn", part_names(samples)
        )
        of_good, source = list(left_out), LEFT_OUT
    else:
        of_good = [detector.detect(unseen)] if unseen.image_ids else []
    gaussians = detector.fitted if isinstance(detector, Gaussians) else None
    calibration = replace(
        by_part(
            _calibration(of_good, features, scoring, params, source), samples, raw_images.category
        ),
        chosen_by=chosen_by(samples, params, source),
        fine_tuned=source == LEFT_OUT and bool(backbone.config["finetuned"]),
        detector_fingerprint="" if gaussians is None else gaussians.fingerprint,
    )
    log = logger.info if calibration.is_promised else logger.warning
    log("%s: %s", raw_images.category, calibration.statement())
    maps = found.anomaly_maps(features.image_size, scoring.smoothing_sigma).placed(samples)
    table = found.table(samples).assign(detector=scoring.detector)
    return table, maps, calibration, StoredDetector(scoring.detector, gaussians)


def _calibration(
    of_good: list[Detection],
    features: FeatureSettings,
    scoring: ScoringSettings,
    params: CalibrationParams,
    source: str,
) -> Calibration:
    """Make the calibration of the scores of good images."""
    none = np.empty(0, np.float32)
    scores = np.concatenate([none, *(one.image_scores for one in of_good)])
    means = [one.mean_features for one in of_good if one.mean_features is not None]
    return Calibration(
        image_scores=scores,
        peak_scores=np.concatenate(
            [none, *(highest_of_maps(one, features, scoring) for one in of_good)]
        ),
        image_ids=[image_id for one in of_good for image_id in one.image_ids],
        **params.rates,
        source=source,
        alpha=0.0,
        coreset_fingerprint="",
        scoring=scoring.model_dump(mode="json"),
        mean_features=np.concatenate(means) if means else np.empty((len(scores), 0), np.float32),
    )


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
