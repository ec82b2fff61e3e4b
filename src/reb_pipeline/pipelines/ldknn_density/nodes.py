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
from reb_pipeline.scoring.detector import MemoryBankDetector, needs_fitted_alpha
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
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.memory_bank.held_out import search_own_images

    depth, device = scoring.search_depth, compute.processor()
    held_out = Samples(samples, raw_images).held_out_good
    unseen = held_out.only(held_out.table[~held_out.table["id"].isin(memory_bank.image_ids)])
    if not len(unseen):
        return search_own_images(memory_bank, coreset, set(held_out.ids), depth, device)
    encoder = Encoder(features, backbone, compute.device)
    images = ImageFeatures.of_samples(unseen, encoder, "held-out good images searched")
    return images.search(coreset.of(memory_bank), depth, device)


def fit_detector(
    memory_bank: MemoryBank,
    coreset: Coreset,
    local_density: LocalDensity,
    held_out_patches: NearestPatches,
    scoring: ScoringSettings,
) -> MemoryBankDetector:
    """Build the detector from coreset, density and scoring settings; ``alpha = auto`` is fitted on held-out images."""
    detector = MemoryBankDetector.of(
        coreset.of(memory_bank), local_density, scoring, held_out_patches
    )
    if needs_fitted_alpha(scoring):
        logger.info("alpha = %.2f, fitted to held-out good images", detector.alpha)
        logger.info(
            "standard error of alpha: %.2f, of a bootstrap over %d images",
            detector.alpha_error,
            len(held_out_patches.image_ids),
        )
    return detector
