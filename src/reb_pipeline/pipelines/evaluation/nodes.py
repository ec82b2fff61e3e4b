"""Nodes of the evaluation pipeline."""

import logging
from typing import Any

import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import ComputeParams, EvaluationParams, SummaryParams
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

FINGERPRINT = "detection_fingerprint"  # column of scores, and name in metrics

logger = logging.getLogger(__name__)


def search_memory_bank(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    features: FeatureSettings,
    scoring: ScoringSettings,
    compute: ComputeParams,
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of the test images; the scorer determines their number."""
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.memory_bank.density import check_max_neighbors

    check_max_neighbors(memory_bank, scoring.max_neighbors)  # before the search, not after it
    backbone.check_learnt(samples)
    encoder = Encoder(features.as_learnt(memory_bank.extractor), backbone, compute.device)
    test = Samples(samples, raw_images).test
    memory_bank.check_unseen(test.ids)
    memory_bank.check_samples(samples)
    images = ImageFeatures.of_samples(test, encoder, "test images searched")
    return images.search(coreset.of(memory_bank), scoring.search_depth, compute.processor())


def score_images(
    samples: pd.DataFrame,
    nearest_patches: NearestPatches,
    detector: MemoryBankDetector,
    features: FeatureSettings,
    scoring: ScoringSettings,
) -> tuple[pd.DataFrame, AnomalyMaps]:
    """Score patches, and compute one score and one anomaly map per image from them."""
    detector.check_settings(scoring, features.image_size)
    detector.bank.check_unseen(nearest_patches.image_ids)
    detector.bank.check_samples(samples)
    test = samples[samples["split"] == "test"]
    nearest_patches.check_samples(test, "evaluation", complete=True)
    detection = detector.score(nearest_patches)
    maps = detection.anomaly_maps(features.image_size, scoring.smoothing_sigma)
    table = detection.table(samples).assign(detector_fingerprint=detector.fingerprint)
    return table, maps.placed(samples)


def draw_density(
    scores: pd.DataFrame,
    nearest_patches: NearestPatches,
    held_out_patches: NearestPatches,
    detector: MemoryBankDetector,
    category: str,
) -> Any:
    """Draw the distance of good patches and of the farthest anomalous ones to the bank, over its local density."""
    from reb_pipeline.figures.density import density_figure, farthest_patches
    from reb_pipeline.scoring.alpha import density_and_distance, enough_to_fit, upper_line

    detector.check_scores(scores.get("detector_fingerprint", ()))
    local_density, n_neighbors = detector.density, detector.scoring.n_neighbors
    of_good = density_and_distance(held_out_patches, local_density, n_neighbors)
    density, distance = (axis.ravel() for axis in of_good)
    tested = density_and_distance(nearest_patches, local_density, n_neighbors)
    labels = scores.set_index("id").loc[nearest_patches.image_ids, "label"].to_numpy()
    anomalous = farthest_patches(*(axis[labels == 1] for axis in tested))
    title = f"{category}: distance of patches over local density"
    if detector.uses_alpha:
        title += f", alpha = {detector.alpha:.2f}"
    return density_figure(
        [("held-out good images", density, distance, "good"),
         ("farthest of anomalous images", *anomalous, "anomalous")],
        upper_line(density, distance) if enough_to_fit(of_good[1]) else None,
        title,
    )  # fmt: skip


def compute_metrics(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    params: EvaluationParams,
) -> dict[str, Any]:
    """Compute metrics of scores and maps, over all defects and per defect type."""
    from reb_pipeline.metrics.report import about_left_out, evaluate

    anomaly_maps.check_detection("scores", scores.get(FINGERPRINT, ()))
    report = evaluate(
        scores,
        anomaly_maps,
        raw_images,
        pro_fpr_limit=params.pro_fpr_limit,
        spro_fpr_limit=params.spro_fpr_limit,
        pixel_resolution=params.pixel_resolution,
        description=f"{raw_images.category}: pixel metrics",
    )
    for note in about_left_out(report):
        logger.warning("%s: %s", raw_images.category, note)
    return {**report, FINGERPRINT: anomaly_maps.detection_fingerprint}


def compute_metrics_at_threshold(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    params: EvaluationParams,
    calibration: Calibration,
    detector: MemoryBankDetector,
) -> dict[str, Any]:
    """Compute metrics, and what is found and flagged by mistake at the calibrated threshold."""
    # A threshold of other scores would give counts that mean nothing.
    scoring = detector.scoring.model_dump(mode="json")
    calibration.check(detector.bank.fingerprint, scoring, detector.alpha)
    calibration.check_detector(detector.fingerprint)
    detector.check_scores(scores.get("detector_fingerprint", ()))  # not in those of older versions
    return with_threshold(scores, raw_images, anomaly_maps, params, calibration)


def with_threshold(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    params: EvaluationParams,
    calibration: Calibration,
) -> dict[str, Any]:
    """Compute metrics, and counts at the threshold of a calibration of the same scores."""
    from reb_pipeline.metrics.at_threshold import at_threshold
    from reb_pipeline.metrics.parts import scores_of_parts
    from reb_pipeline.metrics.report import measured

    tested, n = measured(scores), calibration.n_images
    if calibration.views is not None:
        tested = scores_of_parts(tested, calibration.views.per_part)
    flagged = at_threshold(tested, calibration.image_threshold, calibration.false_alarm_rate, n)
    rate, threshold = calibration.doubtful_rate, calibration.doubtful_threshold
    if rate is not None and threshold is not None:
        flagged["doubtful"] = at_threshold(tested, threshold, rate, n)
    metrics = compute_metrics(scores, raw_images, anomaly_maps, params)
    pixel_threshold = calibration.pixel_threshold if calibration.can_flag else None
    return {**metrics, "at_threshold": {**flagged, "pixel_threshold": pixel_threshold}}


def draw_figures(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    metrics: dict[str, Any],
    params: EvaluationParams,
) -> tuple[Any, Any, Any]:
    """Draw the ROC curve, the score histogram, and the hardest images."""
    from reb_pipeline.figures.curves import roc_figure, score_histogram
    from reb_pipeline.figures.examples import hardest_images_of
    from reb_pipeline.metrics.parts import scores_of_parts
    from reb_pipeline.metrics.report import measured

    _check_origin(scores, anomaly_maps, metrics)
    scores = scores_of_parts(measured(scores))
    category = raw_images.category
    threshold = metrics["at_threshold"]["threshold"]
    pixel_threshold = metrics["at_threshold"].get("pixel_threshold")  # not in older versions
    roc = roc_figure(
        scores["label"], scores["image_score"], f"{category}: ROC of image scores", threshold
    )
    histogram = score_histogram(scores, f"{category}: image scores", threshold)
    hardest = hardest_images_of(
        scores,
        anomaly_maps,
        raw_images,
        params.examples_per_kind,
        f"{category}: hardest images",
        threshold=threshold,
        pixel_threshold=pixel_threshold,
    )
    return roc, histogram, hardest


def write_report(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    metrics: dict[str, Any],
    calibration: Calibration,
    detector: MemoryBankDetector,
    samples: pd.DataFrame,
    suspects: pd.DataFrame,
    detection_probability: dict[str, Any] | None = None,
) -> str:
    """Write the page of the evaluation: metrics, what is found and missed, odd good images, and all test images."""
    from reb_pipeline.core.spreadsheets import without_guard
    from reb_pipeline.figures.page import Evaluated, report_page
    from reb_pipeline.figures.suspects import suspects_section
    from reb_pipeline.metrics.parts import scores_of_parts
    from reb_pipeline.metrics.report import is_unaligned, measured, without_copies

    calibration.check_detector(detector.fingerprint)
    _check_origin(scores, anomaly_maps, metrics)
    shown = without_copies(scores)
    if "part" in shown:  # each part by its worst view, and images that are undecided
        shown = pd.concat([scores_of_parts(measured(scores)), shown[is_unaligned(shown)]])
    suspects = suspects.assign(image=suspects["image"].map(without_guard))
    evaluated = Evaluated(
        shown,
        anomaly_maps,
        raw_images,
        metrics,
        calibration,
        detection_probability,
        detector.zones.cut_offs(calibration) if detector.zones else {},
        suspects_section(suspects, samples, raw_images),
    )
    bank = detector.bank
    settings = {
        "detector": detector.fingerprint,
        "features": bank.extractor,
        "scoring": {**detector.scoring.model_dump(mode="json"), "alpha": detector.alpha},
        "coreset": {
            "rows": len(bank.features),
            "images": len(bank.image_ids),
            "distance": bank.distance,
        },
    }
    return report_page(evaluated, settings)


def _check_origin(scores: pd.DataFrame, anomaly_maps: AnomalyMaps, metrics: dict[str, Any]) -> None:
    """Check that scores, maps and metrics are of one detection."""
    anomaly_maps.check_detection("scores", scores.get(FINGERPRINT, ()))
    anomaly_maps.check_detection(
        "metrics", [metrics[FINGERPRINT]] if FINGERPRINT in metrics else ()
    )


def summarize(params: SummaryParams, *metrics: dict[str, Any]) -> tuple[pd.DataFrame, Any]:
    """Gather the metrics of all categories in one table with means, and one figure."""
    from reb_pipeline.figures.summary import summary_figure
    from reb_pipeline.metrics.summary import summary_table

    table = summary_table(list(metrics), params.textures)
    return table, summary_figure(table)
