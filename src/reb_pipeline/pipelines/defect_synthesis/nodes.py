"""Nodes of the defect synthesis pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.core.sizes import at_most
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import Samples
from reb_pipeline.pipelines.found_region import with_found_region

# px: twice the side of the largest budget; 120 defects on images of 20 megapixels would take 10 GB.
LARGEST_SIDE = 512


def estimate_saliency(
    samples: pd.DataFrame, raw_images: ImageCollection, params: DefectSynthesisSettings
) -> SaliencyMaps:
    """Estimate the region of each good image that may bear a defect."""
    from reb_pipeline.defectmaker import synthesis

    return synthesis.estimate_saliency(Samples(samples, raw_images), params)


def synthesize_defects(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    features: FeatureSettings,
    params: DefectSynthesisSettings,
) -> SyntheticDefects:
    """Make synthetic defects of every kind on held-out good images."""
    from reb_pipeline.defectmaker import synthesis

    there = Samples(samples, raw_images)
    return synthesis.synthesize_defects(
        there,
        saliency,
        at_most(features.image_size, LARGEST_SIDE),
        params,
        region=with_found_region(features, there).looked_at,
    )


def draw_gallery(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    features: FeatureSettings,
    params: DefectSynthesisSettings,
) -> Any:
    """Draw every shape with every fill and fusion on held-out good images."""
    from reb_pipeline.defectmaker.good_images import GoodImages
    from reb_pipeline.figures import gallery

    size = at_most(features.image_size, LARGEST_SIDE)
    both = Samples(samples, raw_images)
    region = with_found_region(features, both).looked_at
    return gallery.draw_gallery(
        GoodImages(both.held_out_good, saliency, size, region),
        GoodImages(both.good_finetuning, saliency, size, region),
        params.textures(),
        params.fills,
        params.seed,
        f"{raw_images.category}: synthetic defects",
    )
