"""Nodes of the local density pipeline."""

import logging

import pandas as pd

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import ComputeParams
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.fitted import needs_fitted_alpha, needs_good_images
from reb_pipeline.scoring.settings import ScoringSettings

logger = logging.getLogger(__name__)


def measure_local_density(
    memory_bank: MemoryBank, coreset: Coreset, scoring: ScoringSettings, compute: ComputeParams
) -> LocalDensity:
    """Find the ``max_neighbors`` nearest other bank rows of every coreset row."""
    from reb_pipeline.memory_bank import density

    return density.measure_local_density(
        memory_bank,
        coreset,
        scoring.max_neighbors,
        "local density of the memory bank",
        compute.processor(),
    )


def search_held_out_images(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    features: FeatureSettings,
    scoring: ScoringSettings,
    compute: ComputeParams,
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of held-out good images, never rows of the same image."""
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.samples import Samples, copies_in_calibration
    from reb_pipeline.memory_bank.held_out import search_own_images

    n_copies = int(copies_in_calibration(samples).sum())
    if n_copies:
        logger.warning(
            "%s: %d calibration images have the pixels of a good training image or of one another and are left out of "
            "the calibration.",
            raw_images.category,
            n_copies,
        )
    depth, device = scoring.search_depth, compute.processor()
    backbone.check_learnt(samples)
    memory_bank.check_samples(samples)
    held_out = Samples(samples, raw_images).held_out_good
    unseen = held_out.only(held_out.table[~held_out.table["id"].isin(memory_bank.image_ids)])
    if not len(unseen):
        return search_own_images(memory_bank, coreset, set(held_out.ids), depth, device)
    encoder = Encoder(features.as_learnt(memory_bank.extractor), backbone, compute.device)
    images = ImageFeatures.of_samples(unseen, encoder, "held-out good images searched")
    return images.search(coreset.of(memory_bank), depth, device)


def search_own_images(
    memory_bank: MemoryBank, coreset: Coreset, scoring: ScoringSettings, compute: ComputeParams
) -> NearestPatches:
    """Find the nearest coreset rows for patches of up to 50 images of the bank, never rows of the same image.

    Scores are fitted on them, so that the images of the calibration stay unseen. No image is searched if the settings
    leave nothing to fit.
    """
    from reb_pipeline.memory_bank import held_out

    chosen = held_out.evenly_chosen(memory_bank.image_ids) if needs_good_images(scoring) else []
    return held_out.search_own_images(
        memory_bank, coreset, set(chosen), scoring.search_depth, compute.processor()
    )


def fit_detector(
    memory_bank: MemoryBank,
    coreset: Coreset,
    local_density: LocalDensity,
    own_patches: NearestPatches,
    scoring: ScoringSettings,
) -> MemoryBankDetector:
    """Build the detector from coreset, density and settings; what is left to fit is fitted on the bank's own images."""
    local_density.check_bank(coreset.bank_fingerprint)
    detector = MemoryBankDetector.of(coreset.of(memory_bank), local_density, scoring, own_patches)
    if needs_fitted_alpha(scoring):
        logger.info(
            "alpha = %.2f, fitted to good images, each compared with the others", detector.alpha
        )
        logger.info(
            "standard error of alpha: %.2f, of a bootstrap over %d images",
            detector.alpha_error,
            len(own_patches.image_ids),
        )
    return detector
