"""Saliency maps and synthetic defects of a category, made from its good images."""

import logging
from dataclasses import replace

import pandas as pd

from reb_pipeline.core.progress import progress
from reb_pipeline.core.sizes import Size
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.maker import Defect, DefectMaker
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.defectmaker.saliency import saliency_estimator
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.images.region import Region
from reb_pipeline.images.samples import Samples, hashes_of

logger = logging.getLogger(__name__)


def estimate_saliency(samples: Samples, settings: DefectSynthesisSettings) -> SaliencyMaps:
    """Find the regions of good images that may bear a defect (REB paper section 3.1.1).

    Args:
        samples: The samples of the category; maps are made for images to fine-tune on and held-out good images.
        settings: The saliency method and its source.

    Raises:
        InputError: If the model or the maps of the method cannot be used.
    """
    both = pd.concat([samples.good_finetuning.table, samples.held_out_good.table])
    good = samples.only(both.drop_duplicates("id"))
    estimate = saliency_estimator(settings.saliency, settings.saliency_source)
    paths = dict(zip(good.ids, good.table["path"], strict=True))
    found = (
        (image_id, estimate(paths[image_id], image))
        for image_id, image in good.stream("saliency of good images")
    )
    collected = SaliencyMaps.collect(found, settings.saliency)
    maps = replace(collected, image_hashes=hashes_of(good.table))
    if maps.fallbacks:
        logger.warning(
            "%s: nothing is salient in %d of %d good images, all of each counts: %s",
            samples.category, len(maps.fallbacks), len(good), ", ".join(maps.fallbacks[:5]),
        )  # fmt: skip
    return maps


def synthesize_defects(
    samples: Samples,
    saliency: SaliencyMaps,
    size: Size,
    settings: DefectSynthesisSettings,
    purpose: Purpose = Purpose.VALIDATION,
    region: Region | None = None,
) -> SyntheticDefects:
    """Make synthetic defects of every kind on held-out good images.

    Nothing in them is known to a fine-tuning: draws are those of the purpose, and pieces are cut from held-out good
    images and held-out textures.

    Args:
        samples: The samples of the category.
        saliency: Saliency maps of the good images.
        size: Side, or height and width, of the images in pixels.
        settings: Kinds of defects, their number, textures and seed.
        purpose: Use of the defects, which names their random stream.
        region: Region of interest, which all defects lie in; None for the whole image.

    Raises:
        InputError: If an image has no saliency map, or a texture cannot be read.
    """
    sources = GoodImages(samples.held_out_good, saliency, size, region)
    maker = DefectMaker(sources, settings.textures(held_out=True), purpose)
    kinds = settings.kinds()
    indices = progress(
        range(settings.per_kind * len(kinds)), f"{samples.category}: synthetic defects"
    )

    def make(index: int) -> tuple[str, int, Defect]:
        number, label = divmod(index, len(kinds))
        source = sources[number % len(sources)]
        defect = maker.make(source.image, source.saliency, kinds[label], settings.seed, index)
        return sources.image_ids[number % len(sources)], label + 1, defect

    defects = SyntheticDefects.collect(map(make, indices), [kind.name for kind in kinds], purpose)
    table = samples.named(defects.image_ids).table
    return replace(
        defects, image_hashes=hashes_of(table), saliency_fingerprint=saliency.fingerprint
    )
