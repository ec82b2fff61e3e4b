"""Good images of a category with their saliency, opened lazily."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.images.region import Region, resized
from reb_pipeline.images.samples import Samples

KEPT_BYTES = 2**27  # 512 images of 256 x 256 pixels
BYTES_PER_PIXEL = 4  # RGB and saliency


class GoodImages(Sequence[Donor]):
    """Good images with their saliency, opened one at a time and resized for a network.

    Resized images are kept, as far as :data:`KEPT_BYTES` hold them: defects are drawn on a few images many times, and
    opening a large one takes far longer than drawing.

    Args:
        samples: The good images.
        saliency: Their saliency maps.
        size: Side, or height and width, of the resized images in pixels.
        region: Region of interest, outside of which nothing is salient; None for the whole image.

    Raises:
        InputError: If an image has changed since its map was made.
    """

    def __init__(
        self, samples: Samples, saliency: SaliencyMaps, size: Size, region: Region | None = None
    ) -> None:
        saliency.check_images(samples.table)
        self.image_ids = samples.ids
        self._openers = samples.openers
        self._saliency = saliency
        self._size = size
        self._region = None if region is None else region.scaled(size)
        height, width = shape_of(size)
        self._kept = lru_cache(maxsize=KEPT_BYTES // (BYTES_PER_PIXEL * height * width))(self._open)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: Any) -> Any:
        return self._kept(index)

    def _open(self, index: int) -> Donor:
        image = resized(self._openers[index](), self._size, self._region)
        saliency = self._saliency.at(self.image_ids[index], self._size)
        if self._region is not None:
            saliency = salient_within(saliency, self._region.at(self._size))
        return Donor(image, saliency)


def salient_within(salient: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Select the salient pixels of a region, or all of the region if none is salient; bool [height, width]."""
    both = salient & region
    return both if both.any() else region
