"""Nodes of the memory bank pipeline."""

import pandas as pd

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.parameters.sections import ComputeParams, FeatureParams, MemoryBankParams
from reb_pipeline.pipelines.image_search import stream_patches


def extract_patch_features(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    params: FeatureParams,
    bank_params: MemoryBankParams,
    compute: ComputeParams,
) -> MemoryBank:
    """Stream the good training images through the backbone into a memory bank."""
    from reb_pipeline.images.samples import good_training
    from reb_pipeline.memory_bank.bank import collect_patches

    good = good_training(samples)
    description = "good images to patch features"
    patches = stream_patches(good, raw_images, backbone, params, compute, description)
    return collect_patches(
        patches,
        len(good),
        params.provenance(backbone),
        bank_params.distance,
        memory_gib=compute.memory_gib,
    )


def select_coreset(
    memory_bank: MemoryBank, params: MemoryBankParams, compute: ComputeParams
) -> Coreset:
    """Select the rows of the bank that test patches are compared with."""
    from reb_pipeline.memory_bank.coreset import select_coreset

    return select_coreset(
        memory_bank,
        params.coreset_ratio,
        params.seed,
        "coreset selection",
        memory_gib=compute.memory_gib,
        device=compute.processor(),
    )
