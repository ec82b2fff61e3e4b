"""Nodes of the detection probability pipeline."""

import logging
from typing import Any

import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.defectmaker.settings import (
    DefectSynthesisSettings,
    DetectionProbabilitySettings,
)
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import ComputeParams
from reb_pipeline.scoring.detector import MemoryBankDetector

logger = logging.getLogger(__name__)


def score_drawn_defects(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    backbone: BackboneWeights,
    detector: MemoryBankDetector,
    calibration: Calibration,
    features: FeatureSettings,
    synthesis: DefectSynthesisSettings,
    params: DetectionProbabilitySettings,
    compute: ComputeParams,
) -> pd.DataFrame:
    """Draw defects of many sizes on good images that nothing has learnt from, and score them."""
    from reb_pipeline.defectmaker.probes import draw_probes
    from reb_pipeline.detectors.probes import score_probes
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.parts import GROUP_BY, part_names
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.metrics.detection_probability import check_parts

    if not calibration.can_flag:
        msg = f"Without a threshold no defect can be found: {calibration.statement()}"
        raise InputError(msg)
    calibration.check_detector(detector.fingerprint)
    backbone.check_learnt(samples)
    good = Samples(samples, raw_images).held_out_good
    parts = good.only(good.table[~good.table["id"].isin(detector.bank.image_ids)])
    part_of = part_names(parts.table) or {image_id: image_id for image_id in parts.ids}
    check_parts(len(set(part_of.values())), raw_images.category)
    features = features.as_learnt(detector.bank.extractor)
    size, region = features.image_size, features.looked_at
    probes = draw_probes(parts, saliency, synthesis, params, size, region)
    encoded = ImageFeatures.of_samples(parts, Encoder(features, backbone, compute.device))
    draws = score_probes(probes, encoded, detector, compute.processor())
    if GROUP_BY in samples:
        draws = draws.assign(part=draws["image_id"].map(part_of))
    return draws.assign(detector_fingerprint=detector.fingerprint)


def state_found_sizes(
    defect_draws: pd.DataFrame,
    calibration: Calibration,
    params: DetectionProbabilitySettings,
    category: str,
) -> tuple[dict[str, Any], Any]:
    """Fit the probability of detection over the size, and state from which size on defects are found."""
    from reb_pipeline.figures.detection_probability import detection_figure
    from reb_pipeline.metrics.detection_probability import detection_report

    for fingerprint in defect_draws["detector_fingerprint"].unique():
        calibration.check_detector(fingerprint)
    report = detection_report(
        defect_draws,
        calibration.image_threshold,
        calibration.false_alarm_rate,
        params.pixel_size_mm,
    )
    for worst in report["worst"]:
        logger.info("%s: %s", category, worst["statement"])
    return report, detection_figure(report, f"{category}: probability of detection")
