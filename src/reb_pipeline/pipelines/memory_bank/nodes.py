"""Nodes of the memory bank pipeline."""

import logging
from dataclasses import replace

import pandas as pd

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import ComputeParams
from reb_pipeline.pipelines.found_region import with_found_region

logger = logging.getLogger(__name__)


def extract_patch_features(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    features: FeatureSettings,
    settings: MemoryBankSettings,
    compute: ComputeParams,
) -> MemoryBank:
    """Collect the patch features of the good training images, and of their copies in other light, in a memory bank."""
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.samples import Samples, hashes_of
    from reb_pipeline.memory_bank.filling import fill_bank
    from reb_pipeline.memory_bank.two_kinds import two_kinds

    backbone.check_learnt(samples)
    there = Samples(samples, raw_images)
    encoder = Encoder(with_found_region(features, there), backbone, compute.device)
    samples_to_learn = there.good_training
    good = ImageFeatures.of_samples(samples_to_learn, encoder, "good images to patch features")
    bank = fill_bank(good, settings, compute.memory_gib)
    if groups := two_kinds(bank):
        (many, first), (few, second) = groups
        logger.warning(
            "%s: The good images are of two kinds that differ much, %d such as %s and %d such as %s: if these are two "
            "parts, learn each by itself, from a folder of its own.",
            raw_images.category,
            many,
            first,
            few,
            second,
        )
    return replace(bank, image_hashes=hashes_of(samples_to_learn.table))


def select_coreset(
    memory_bank: MemoryBank, settings: MemoryBankSettings, compute: ComputeParams
) -> Coreset:
    """Select the rows of the bank that test patches are compared with."""
    from reb_pipeline.memory_bank.coreset import select_coreset

    return select_coreset(
        memory_bank,
        settings,
        "coreset selection",
        memory_gib=compute.memory_gib,
        device=compute.processor(),
    )


def rank_suspects(
    memory_bank: MemoryBank, coreset: Coreset, compute: ComputeParams, category: str
) -> pd.DataFrame:
    """Rank the images of the bank by how unlike all others they are, as a list that people edit in spreadsheets."""
    from reb_pipeline.core.spreadsheets import no_formula
    from reb_pipeline.memory_bank import suspects

    ranked = suspects.rank_suspects(memory_bank, coreset, compute.processor())
    logger.info("%s: %s.", category, suspects.statement(ranked))
    return ranked.assign(image=ranked["image"].map(no_formula))
