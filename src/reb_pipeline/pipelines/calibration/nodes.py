"""Nodes of the calibration pipeline."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import CALIBRATION_SPLIT, TRAINING_IMAGES, Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import (
    CalibrationParams,
    ComputeParams,
    FeatureParams,
    ScoringParams,
)
from reb_pipeline.pipelines.image_search import search_samples
from reb_pipeline.pipelines.patch_scoring import resolve_alpha, score_patches

logger = logging.getLogger(__name__)


def search_calibration_images(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    held_out_patches: NearestPatches,
    params: FeatureParams,
    scoring: ScoringParams,
    calibration: CalibrationParams,
    compute: ComputeParams,
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of the folder's images; without one take held-out good images."""
    if calibration.folder is None:
        return held_out_patches
    from reb_pipeline.images.collection import loose_images
    from reb_pipeline.scoring.patch_scores import search_depth

    folder = calibration.folder
    images = loose_images(folder, raw_images.category)
    _warn_of_known_images(images, samples, memory_bank, folder)
    found = search_samples(
        images.table,
        images,
        backbone,
        memory_bank,
        coreset,
        params,
        compute,
        search_depth(scoring.scorer, scoring.max_neighbors),
        "calibration images searched",
    )
    # The folder is a part of the ids, so that a calibration never speaks of another one than was searched.
    return replace(found, image_ids=[_mark(folder) + image_id for image_id in found.image_ids])


def calibrate(
    raw_images: ImageCollection,
    calibration_patches: NearestPatches,
    held_out_patches: NearestPatches,
    local_density: LocalDensity,
    memory_bank: MemoryBank,
    coreset: Coreset,
    features: FeatureParams,
    scoring: ScoringParams,
    params: CalibrationParams,
) -> tuple[Calibration, Any]:
    """Score good images as `evaluation` scores test images, keep the scores, and say what they promise."""
    from reb_pipeline.figures.calibration import calibration_figure

    source, image_ids = _origin(
        calibration_patches.image_ids, held_out_patches.image_ids, memory_bank, params.folder
    )
    scores = np.empty(0, np.float32)
    maps: Iterable[tuple[str, np.ndarray]] = ()
    if image_ids:
        alpha, scores, maps = score_patches(
            calibration_patches,
            held_out_patches,
            local_density,
            memory_bank,
            coreset,
            features,
            scoring,
        )
    else:  # a bank of one image leaves nothing to compare it with
        alpha = resolve_alpha(scoring, held_out_patches, local_density)
    calibration = Calibration(
        image_scores=scores,
        peak_scores=np.array([one.max() for _, one in maps], np.float32),
        image_ids=image_ids,
        false_alarm_rate=params.false_alarm_rate,
        source=source,
        alpha=alpha,
        coreset_fingerprint=calibration_patches.coreset_fingerprint,
        scoring=scoring.model_dump(mode="json"),
        mean_features=calibration_patches.mean_features,
    )
    _tell(raw_images.category, calibration)
    title = f"{raw_images.category}: calibration by {len(image_ids)} good images"
    return calibration, calibration_figure(calibration, title)


def _warn_of_known_images(
    images: ImageCollection, samples: pd.DataFrame, memory_bank: MemoryBank, folder: str
) -> None:
    """Images that the bank was made from score lower than new ones, so that the threshold would be too low."""
    known = set(samples.loc[samples["id"].isin(memory_bank.image_ids), "sha256"])
    digests = (hashlib.sha256(images.read(sample.path)).hexdigest() for sample in images.samples)
    copies = sum(digest in known for digest in digests)
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
    searched: list[str], held_out: list[str], memory_bank: MemoryBank, folder: str | None
) -> tuple[str, list[str]]:
    """Where the images that were searched come from, and their ids without the folder.

    Raises:
        InputError: If other images were searched than are asked for now.
    """
    if folder is not None and all(image_id.startswith(_mark(folder)) for image_id in searched):
        return folder, [image_id.removeprefix(_mark(folder)) for image_id in searched]
    if folder is None and searched == held_out:
        seen = set(searched) <= set(memory_bank.image_ids)
        return TRAINING_IMAGES if seen else CALIBRATION_SPLIT, searched
    msg = (
        f"The images that were searched are not those of calibration.folder = {folder!r}: "
        f"run the pipeline calibration."
    )
    raise InputError(msg)


def _mark(folder: str) -> str:
    return f"{folder}::"  # no folder above it begins so


def _tell(category: str, calibration: Calibration) -> None:
    """Log what is promised, and what stands against it."""
    log = logger.info if calibration.is_promised else logger.warning
    log("%s: %s", category, calibration.statement())
    if calibration.source == TRAINING_IMAGES:
        logger.warning(
            "%s: the calibration images are training images, because the split calibration has none, so the rate is "
            "not promised for new parts: give good images that the bank has not seen by split.calibration or "
            "calibration.folder.",
            category,
        )
