"""Nodes of the calibration pipeline."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import CALIBRATION_SPLIT, TRAINING_IMAGES, Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import CalibrationParams, ComputeParams
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

logger = logging.getLogger(__name__)


def search_calibration_images(
    samples: pd.DataFrame,
    backbone: BackboneWeights,
    detector: MemoryBankDetector,
    held_out_patches: NearestPatches,
    features: FeatureSettings,
    params: CalibrationParams,
    compute: ComputeParams,
    category: str,
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of the folder's images.

    Without a folder, return the neighbours of the held-out good images.
    """
    if params.folder is None:
        return held_out_patches
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.collection import loose_images
    from reb_pipeline.images.folder import not_read_sentences
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.images.value_range import ValueRange

    folder = params.folder
    learnt = ValueRange.of_json(detector.bank.extractor.get("value_range"))
    images = loose_images(folder, category, learnt)
    for sentence in not_read_sentences(images.not_read):
        logger.warning("%s: %s: %s", category, folder, sentence)
    _warn_of_known_images(images, samples, detector.bank.image_ids, folder)
    good = ImageFeatures.of_samples(
        Samples(images.table, images),
        Encoder(features, backbone, compute.device),
        "calibration images searched",
    )
    found = good.search(detector.bank, detector.scoring.search_depth, compute.processor())
    # The ids contain the folder, so that the calibration always names the folder that was searched.
    return replace(found, image_ids=[_mark(folder) + image_id for image_id in found.image_ids])


def calibrate(
    calibration_patches: NearestPatches,
    held_out_patches: NearestPatches,
    detector: MemoryBankDetector,
    features: FeatureSettings,
    scoring: ScoringSettings,
    params: CalibrationParams,
    category: str,
) -> tuple[Calibration, Any]:
    """Score good images as `evaluation` scores test images, store the scores, and log the guarantee."""
    from reb_pipeline.figures.calibration import calibration_figure

    detector.check_settings(scoring, features.image_size)
    source, image_ids = _origin(
        calibration_patches.image_ids,
        held_out_patches.image_ids,
        detector.bank.image_ids,
        params.folder,
    )
    scores = peaks = np.empty(0, np.float32)
    if image_ids:  # the only image of a bank cannot be compared with others
        detection = detector.score(calibration_patches)
        scores = detection.image_scores
        maps = detection.anomaly_maps(features.image_size, scoring.smoothing_sigma)
        peaks = np.array([one.max() for _, one in maps], np.float32)
    calibration = Calibration(
        image_scores=scores,
        peak_scores=peaks,
        image_ids=image_ids,
        false_alarm_rate=params.false_alarm_rate,
        source=source,
        alpha=detector.alpha,
        coreset_fingerprint=calibration_patches.coreset_fingerprint,
        scoring=scoring.model_dump(mode="json"),
        mean_features=calibration_patches.mean_features,
    )
    _log_promise(category, calibration)
    title = f"{category}: calibration by {len(image_ids)} good images"
    return calibration, calibration_figure(calibration, title)


def _warn_of_known_images(
    images: ImageCollection, samples: pd.DataFrame, training_ids: list[str], folder: str
) -> None:
    """Warn of calibration images that are in the bank: their low scores would make the threshold too low."""
    from reb_pipeline.images.inventory import take_inventory

    # Samples of older versions have no hashes of pixels.
    content = "pixels_sha256" if "pixels_sha256" in samples else "sha256"
    known = set(samples.loc[samples["id"].isin(training_ids), content])
    found = take_inventory(images, f"{images.category}: calibration images compared")[content]
    copies = int(found.isin(known).sum())
    if copies:
        logger.warning(
            "%s: %d of %d images in %s are copies of training images, which score lower than new ones: take them out, "
            "or more good parts are flagged than is promised.",
            images.category,
            copies,
            len(images.samples),
            folder,
        )


def _origin(
    searched: list[str], held_out: list[str], training_ids: list[str], folder: str | None
) -> tuple[str, list[str]]:
    """Determine the origin of the searched images, and their ids without the folder.

    Raises:
        InputError: If the parameters now ask for other images than were searched.
    """
    if folder is not None and all(image_id.startswith(_mark(folder)) for image_id in searched):
        return folder, [image_id.removeprefix(_mark(folder)) for image_id in searched]
    if folder is None and searched == held_out:
        seen = set(searched) <= set(training_ids)
        return TRAINING_IMAGES if seen else CALIBRATION_SPLIT, searched
    msg = (
        f"The images that were searched are not those of calibration.folder = {folder!r}: "
        f"run the pipeline calibration."
    )
    raise InputError(msg)


def _mark(folder: str) -> str:
    return f"{folder}::"  # no other folder has this prefix


def _log_promise(category: str, calibration: Calibration) -> None:
    """Log the guarantee of the calibration, and its limits."""
    log = logger.info if calibration.is_promised else logger.warning
    log("%s: %s", category, calibration.statement())
    if calibration.source == TRAINING_IMAGES:
        logger.warning(
            "%s: the calibration images are training images, because the split calibration has none, so the rate is "
            "not promised for new parts: give good images that the bank has not seen by split.calibration or "
            "calibration.folder.",
            category,
        )
