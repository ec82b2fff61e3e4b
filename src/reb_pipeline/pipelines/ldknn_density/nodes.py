"""Nodes of the local density pipeline."""

import pandas as pd

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import ComputeParams, FeatureParams, ScoringParams
from reb_pipeline.pipelines.image_search import search_samples


def measure_local_density(
    memory_bank: MemoryBank, coreset: Coreset, params: ScoringParams, compute: ComputeParams
) -> LocalDensity:
    """Find the ``max_neighbors`` nearest other bank rows of every coreset row."""
    from reb_pipeline.memory_bank import density

    return density.measure_local_density(
        memory_bank,
        coreset,
        params.max_neighbors,
        "local density of the memory bank",
        compute.processor(),
    )


def search_held_out_images(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    params: FeatureParams,
    scoring: ScoringParams,
    compute: ComputeParams,
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of held-out good images, never one of the same image."""
    from reb_pipeline.images.samples import held_out_good
    from reb_pipeline.memory_bank.held_out import search_own_images
    from reb_pipeline.scoring.patch_scores import search_depth

    depth = search_depth(scoring.scorer, scoring.max_neighbors)
    held_out = held_out_good(samples)
    unseen = held_out[~held_out["id"].isin(memory_bank.image_ids)]
    if unseen.empty:
        ids = set(held_out["id"])
        return search_own_images(memory_bank, coreset, ids, depth, compute.processor())
    description = "held-out good images searched"
    return search_samples(
        unseen, raw_images, backbone, memory_bank, coreset, params, compute, depth, description
    )
