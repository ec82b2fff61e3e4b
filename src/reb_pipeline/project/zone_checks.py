"""Check before a run that the zones of a part can be used."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.pipelines.namespaces import RAW_IMAGES

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from reb_pipeline.images.collection import Sample

# Pipelines that know neither a region of interest nor zones.
OF_WHOLE_IMAGES = (
    "feature_reconstruction", "pixel_reconstruction", "hybrid", "detection", "detection_packaging",
    "selection", "studies"
)  # fmt: skip
FINE = 512  # side of the grid that zones are drawn on, finer than any of patches


def check_zones(
    pipeline: "Pipeline",
    catalog: "CatalogProtocol",
    list_samples: "Callable[[str], list[Sample]]",
) -> None:
    """Check zones, their place in the region of interest, and that good images are there to measure them on.

    Raises:
        InputError: If a pipeline knows no zones, one has no place of its own, or there are too few good images.
    """
    import numpy as np

    from reb_pipeline.features.settings import FeatureSettings
    from reb_pipeline.images.region import FOUND
    from reb_pipeline.scoring.settings import ScoringSettings
    from reb_pipeline.scoring.zones import check_images, number_patches

    steps = {tuple((node.namespace or "").split(".")[:2]) for node in pipeline.nodes}
    for category, *rest in sorted(steps):
        name = f"params:{category}.scoring"
        if name not in catalog:
            continue
        # Parameters that no node of this run reads come as dictionaries.
        zones = ScoringSettings.model_validate(catalog[name].load()).zones
        if zones is None:
            continue
        if rest and rest[0] in OF_WHOLE_IMAGES:
            msg = (
                f"The pipeline {rest[0]} has one threshold for the whole image: set scoring.zones of {category} to "
                f"null, or leave this pipeline out."
            )
            raise InputError(msg)
        if rest != ["ldknn_density"]:
            continue
        features = FeatureSettings.model_validate(catalog[f"params:{category}.features"].load())
        is_drawn = features.region not in (None, FOUND)
        region = features.looked_at if is_drawn else None
        inside = np.ones((FINE, FINE), bool) if region is None else region.at(FINE)
        number_patches(zones, inside)
        if f"{category}.inventory" in pipeline.all_outputs():
            samples = list_samples(f"{category}{RAW_IMAGES}")
            check_images(sum(one.split == "train" and one.label == 0 for one in samples))
