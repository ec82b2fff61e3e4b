"""Nodes of the memory bank pipeline."""

import pandas as pd

from reb_pipeline.datasets import ImageCollection
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.neighbors.bank import Coreset, MemoryBank
from reb_pipeline.parameters import FeatureParams, MemoryBankParams


def extract_patch_features(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    params: FeatureParams,
    bank_params: MemoryBankParams,
) -> MemoryBank:
    """Stream the good training images through the backbone into a memory bank."""
    from reb_pipeline.features.extractor import PatchExtractor, extract_patches
    from reb_pipeline.inventory import good_training
    from reb_pipeline.neighbors.bank import collect_patches
    from reb_pipeline.progress import progress

    good = good_training(samples)
    rows = progress(
        zip(good["id"], good["path"], strict=True),
        f"{raw_images.category}: good images to patch features",
        total=len(good),
    )
    images = ((image_id, raw_images.open_image(path)) for image_id, path in rows)
    extractor = PatchExtractor(**params.extractor_settings(backbone))
    patches = extract_patches(extractor, images, params.batch_size)
    return collect_patches(patches, len(good), params.provenance(backbone), bank_params.distance)


def select_coreset(memory_bank: MemoryBank, params: MemoryBankParams) -> Coreset:
    """Select the rows of the bank that test patches are compared with."""
    from reb_pipeline.neighbors.coreset import select_coreset

    return select_coreset(memory_bank, params.coreset_ratio, params.seed, "coreset selection")
