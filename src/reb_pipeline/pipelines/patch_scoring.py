"""From the neighbours of patches to scores of images and anomaly maps: one way for test and calibration images."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
    from reb_pipeline.memory_bank.density import LocalDensity
    from reb_pipeline.memory_bank.nearest_patches import NearestPatches
    from reb_pipeline.parameters.sections import FeatureParams, ScoringParams
    from reb_pipeline.scoring.anomaly_maps import AnomalyMaps


def score_patches(
    nearest_patches: "NearestPatches",
    held_out_patches: "NearestPatches",
    local_density: "LocalDensity",
    memory_bank: "MemoryBank",
    coreset: "Coreset",
    features: "FeatureParams",
    scoring: "ScoringParams",
) -> "tuple[float, np.ndarray, AnomalyMaps]":
    """Score patches; from these, one score and one anomaly map an image.

    Args:
        nearest_patches: What was found for the patches of the images.
        held_out_patches: What ``alpha = auto`` is fitted on.
        local_density: Local density of the coreset rows.
        memory_bank: The memory bank.
        coreset: The rows that were searched.
        features: Gives the side of a map.
        scoring: How patches and images are scored.

    Returns:
        Alpha as a number, see :func:`resolve_alpha`; image scores, float32 [images]; the maps.

    Raises:
        InputError: If these are not of the same coreset, or were not searched deep enough.
    """
    from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
    from reb_pipeline.scoring.patch_scores import Neighborhoods

    alpha = resolve_alpha(scoring, held_out_patches, local_density)
    found = Neighborhoods(nearest_patches, local_density, coreset.features(memory_bank))
    of_patches, of_images = scoring.judge(found, alpha)
    maps = AnomalyMaps(
        of_patches, nearest_patches.image_ids, features.image_size, scoring.smoothing_sigma
    )
    return alpha, of_images, maps


def resolve_alpha(
    scoring: "ScoringParams", held_out_patches: "NearestPatches", local_density: "LocalDensity"
) -> float:
    """Alpha as a number: fitted where that is asked for, 0 for scorers that know none.

    Raises:
        InputError: If it is to be fitted and the patches are of another coreset or too few.
    """
    from reb_pipeline.scoring.alpha import fit_alpha

    if scoring.scorer != "ldknn":
        return 0.0
    if scoring.alpha != "auto":
        return scoring.alpha
    local_density.insist_on(held_out_patches.coreset_fingerprint)
    return fit_alpha(
        held_out_patches.squared_distances[..., 0],
        held_out_patches.rows[..., 0],
        local_density,
        n_neighbors=scoring.n_neighbors,
        form=scoring.form,
    )
