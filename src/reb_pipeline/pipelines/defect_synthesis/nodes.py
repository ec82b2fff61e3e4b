"""Nodes of the defect synthesis pipeline."""

import logging
from typing import Any

import pandas as pd

from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import DefectSynthesisParams, FeatureParams

logger = logging.getLogger(__name__)


def estimate_saliency(
    samples: pd.DataFrame, raw_images: ImageCollection, params: DefectSynthesisParams
) -> SaliencyMaps:
    """Find where each good image may bear a defect."""
    from reb_pipeline.core.progress import progress
    from reb_pipeline.defectmaker.saliency import saliency_estimator
    from reb_pipeline.images.samples import good_finetuning, held_out_good

    good = pd.concat([good_finetuning(samples), held_out_good(samples)]).drop_duplicates("id")
    estimate = saliency_estimator(params.saliency, params.saliency_source)
    rows = progress(
        zip(good["id"], good["path"], strict=True),
        f"{raw_images.category}: saliency of good images",
        total=len(good),
    )
    found = ((image_id, estimate(path, raw_images.open_image(path))) for image_id, path in rows)
    maps = SaliencyMaps.collect(found, params.saliency)
    if maps.fallbacks:
        logger.warning(
            "%s: nothing is salient in %d of %d good images, all of each counts: %s",
            raw_images.category, len(maps.fallbacks), len(good), ", ".join(maps.fallbacks[:5]),
        )  # fmt: skip
    return maps


def synthesize_defects(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    features: FeatureParams,
    params: DefectSynthesisParams,
) -> SyntheticDefects:
    """Make synthetic defects of every kind on held-out good images."""
    from reb_pipeline.core.progress import progress
    from reb_pipeline.defectmaker.maker import DefectMaker
    from reb_pipeline.pipelines.good_images import train_and_held_out

    donors, sources = train_and_held_out(samples, raw_images, saliency, features.image_size)
    maker = DefectMaker(donors, params.textures())
    kinds = params.kinds()
    indices = progress(
        range(params.per_kind * len(kinds)), f"{raw_images.category}: synthetic defects"
    )

    def make(index: int) -> Any:
        number, label = divmod(index, len(kinds))
        source = sources[number % len(sources)]
        defect = maker.make(source.image, source.saliency, kinds[label], params.seed, index)
        return sources.image_ids[number % len(sources)], label + 1, defect

    return SyntheticDefects.collect(map(make, indices), [kind.name for kind in kinds])


def draw_gallery(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    features: FeatureParams,
    params: DefectSynthesisParams,
) -> Any:
    """Draw every shape with every fill and fusion on held-out good images."""
    from reb_pipeline.figures import gallery
    from reb_pipeline.pipelines.good_images import train_and_held_out

    donors, sources = train_and_held_out(samples, raw_images, saliency, features.image_size)
    return gallery.draw_gallery(
        sources,
        donors,
        params.textures(),
        params.fills,
        params.seed,
        f"{raw_images.category}: synthetic defects",
    )
