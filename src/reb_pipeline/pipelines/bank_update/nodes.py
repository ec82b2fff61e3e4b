"""Nodes of the bank update pipeline."""

import logging
from dataclasses import replace
from typing import Any

import pandas as pd

from reb_pipeline.calibration.conformal import check_doubtful_rate
from reb_pipeline.calibration.record import CALIBRATION_SPLIT, SPLIT, Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import good_training
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import (
    BankUpdateParams,
    CalibrationParams,
    ComputeParams,
    IngestionParams,
)
from reb_pipeline.scoring import zones
from reb_pipeline.scoring.settings import ScoringSettings

logger = logging.getLogger(__name__)


def change_samples(
    samples_before: pd.DataFrame,
    raw_images: ImageCollection,
    params: BankUpdateParams,
    ingestion: IngestionParams,
    scoring: ScoringSettings,
) -> pd.DataFrame:
    """Remove the samples to forget, and append the samples to add."""
    samples = _changed(samples_before, raw_images, params, ingestion)
    if scoring.zones is not None:  # now, because the changed samples are stored
        zones.check_images(len(good_training(samples)))
    return samples


def _changed(
    samples_before: pd.DataFrame,
    raw_images: ImageCollection,
    params: BankUpdateParams,
    ingestion: IngestionParams,
) -> pd.DataFrame:
    from reb_pipeline.images.parts import GROUP_BY
    from reb_pipeline.images.posed import aligned_like
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.pipelines.bank_update.changes import images_to_add, with_added, without
    from reb_pipeline.pipelines.calibration.parts import check_views

    if params.add is None and not params.forget:
        msg = (
            "There is nothing to add and nothing to forget: give a folder of good images "
            "(--params bank_update.add=FOLDER), or ids or patterns (--params bank_update.forget=ID)."
        )
        raise InputError(msg)
    forgotten = {one.id for one in raw_images.samples} - set(samples_before["id"])
    samples = without(samples_before, params.forget, forgotten)
    if params.add is None:
        return samples
    there = Samples(samples, raw_images)
    found = images_to_add(
        params.add, ingestion.max_unreadable_share, there.value_range, there.channels
    )
    if GROUP_BY in samples:
        parts = check_views(found["id"], samples, params.add)
        found = found.assign(part=found["id"].map(parts), group_by=samples[GROUP_BY].iloc[0])
    found = aligned_like(there, found)
    return with_added(samples, found, samples_before["id"].tolist())


def update_memory_bank(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank_before: MemoryBank,
    coreset_before: Coreset,
    local_density_before: LocalDensity,
    features: FeatureSettings,
    params: MemoryBankSettings,
    scoring: ScoringSettings,
    compute: ComputeParams,
) -> tuple[MemoryBank, Coreset, LocalDensity]:
    """Update bank, coreset and density to the good training samples.

    Only new images pass the backbone.
    """
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.samples import Samples, check_images, hashes_of
    from reb_pipeline.memory_bank import update
    from reb_pipeline.memory_bank.filling import copies_of

    before, category, device = memory_bank_before, raw_images.category, compute.processor()
    backbone.check_learnt(samples)
    encoder = Encoder(features.as_learnt(before.extractor), backbone, compute.device)
    good = Samples(samples, raw_images).good_training
    hashes = dict(zip(good.ids, hashes_of(good.table), strict=True))
    kept = [
        (image_id, then)
        for image_id, then in zip(before.image_ids, before.image_hashes, strict=False)
        if image_id in hashes
    ]
    check_images(
        "The memory bank was made from",
        good.table,
        [image_id for image_id, _ in kept],
        [then for _, then in kept],
        "run the pipelines memory_bank, ldknn_density and calibration again",
        complete=False,
    )
    forgotten = sorted(set(before.image_ids) - set(good.ids))
    added = good.only(good.table[~good.table["id"].isin(before.image_ids)])
    images = ImageFeatures.of_samples(added, encoder, "added images to patch features")
    before.check_extractor(images.provenance)
    logger.info(
        "%s: %d good images, %d to forget, %d to add.",
        category, len(before.image_ids), len(forgotten), len(added),
    )  # fmt: skip
    # The network is loaded only for new images.
    patches, copies = (
        (images.patches(), copies_of(images, before.copies)) if len(added) else ((), {})
    )
    bank = update.update_bank(before, forgotten, patches, len(added), compute.memory_gib, copies)
    bank = replace(bank, image_hashes=[hashes[image_id] for image_id in bank.image_ids])
    coreset = update.update_coreset(
        before,
        coreset_before,
        bank,
        params,
        f"{category}: coreset",
        compute.memory_gib,
        device,
    )
    density = update.update_density(
        before,
        coreset_before,
        local_density_before,
        bank,
        coreset,
        scoring.max_neighbors,
        f"{category}: local density",
        device,
    )
    return bank, coreset, density


def keep_false_alarm_rate(
    calibration_before: Calibration, params: BankUpdateParams, calibration: CalibrationParams
) -> dict[str, Any]:
    """Return the settings of the next calibration: with the rates in use, unless this run names others."""
    rate = params.false_alarm_rate or calibration_before.false_alarm_rate
    doubtful_rate = params.doubtful_rate or calibration_before.doubtful_rate
    check_doubtful_rate(doubtful_rate, rate)
    is_folder = (
        calibration_before.method == SPLIT and calibration_before.source != CALIBRATION_SPLIT
    )
    if is_folder and calibration.folder is None:
        logger.warning(
            "The thresholds were taken from the images in %s, and will be taken from held-out images now: add "
            "--params calibration.folder=%s to keep them.",
            calibration_before.source,
            calibration_before.source,
        )
    rates = {"false_alarm_rate": rate, "doubtful_rate": doubtful_rate}
    return {**calibration.model_dump(mode="json"), **rates}
