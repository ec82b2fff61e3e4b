"""Region of interest that is found in good images, one for all images of a category."""

import logging
from dataclasses import replace

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.evenly import spread
from reb_pipeline.defectmaker.saliency import grabcut, or_whole_image
from reb_pipeline.images.region import Region
from reb_pipeline.images.samples import Samples, hashes_of

SIDE = 128  # px: side of the square that foregrounds are collected on, as fine as GrabCut segments
MOST_IMAGES = 100  # evenly chosen; more hardly widen the region
RARE = 0.05  # share of the images: what is foreground in fewer is taken for a failed segmentation
MARGIN = 1 / 16  # share of the side: wider than the border that GrabCut always takes for background
NEARLY_ALL = 0.98  # share of the image

logger = logging.getLogger(__name__)
_found: dict[tuple[str, ...], Region] = {}  # by hashes of the images: several nodes of a run ask


def find_region(samples: Samples) -> Region:
    """Find the places of an image where the parts of a category lie, in its good training images.

    The region holds the foreground of each image (GrabCut), wherever it lies, without holes and with a margin. An image
    without a foreground counts as foreground everywhere: in doubt the region is too large.

    Args:
        samples: The samples of the category.

    Raises:
        InputError: If there is no good training image, or they differ in aspect.
    """
    good = samples.good_training
    if not len(good):
        msg = (
            "There is no good training image to find features.region in: check the training split."
        )
        raise InputError(msg)
    good = good.only(good.table.iloc[spread(len(good), MOST_IMAGES)])
    key = tuple(hashes_of(good.table))
    if not all(key):  # images in memory
        return _in_images(good)
    if key not in _found:
        _found[key] = _in_images(good)
    return _found[key]


def _in_images(good: Samples) -> Region:
    from PIL import Image
    from scipy import ndimage

    votes, everywhere = np.zeros((SIDE, SIDE), int), Region(np.ones((SIDE, SIDE), bool))
    for _, image in good.stream("region of interest"):
        aspect = everywhere.aspect or image.shape[1] / image.shape[0]
        everywhere = replace(everywhere, aspect=aspect, is_found=True)
        everywhere.check(image.shape)
        foreground, _ = or_whole_image(grabcut(image))
        grey = Image.fromarray(foreground.astype(np.float32))
        votes += np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX)) >= 0.5
    whole = ndimage.binary_fill_holes(votes >= max(1, RARE * len(good)))
    wide = ndimage.distance_transform_edt(~whole) <= MARGIN * SIDE if whole.any() else ~whole
    share = float(wide.mean())
    logger.info(
        "%s: the region of interest that was found in %d good images is %.0f %% of the image.",
        good.category,
        len(good),
        100 * share,
    )
    if share > NEARLY_ALL:
        logger.warning(
            "%s: features.region = found leaves out almost nothing, as of parts that fill the image: set it to null, "
            "or draw the region.",
            good.category,
        )
    return replace(everywhere, mask=wide)
