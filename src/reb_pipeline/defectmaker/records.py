"""Records of saliency maps and of synthetic defects; light to import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from reb_pipeline.defectmaker.maker import Defect

SALIENCY_SIDE = 128  # px: outlines of parts need no more, and hundreds of maps stay small


@dataclass(frozen=True)
class SaliencyMaps:
    """Regions of good images that may bear a defect.

    Attributes:
        maps: bool [images, 128, 128].
        image_ids: Ids of the images.
        method: A key of :data:`reb_pipeline.defectmaker.saliency.SALIENCY`.
        fallbacks: Ids of images where nothing was salient, so that all of them counts.
    """

    maps: np.ndarray
    image_ids: list[str]
    method: str
    fallbacks: list[str]

    @classmethod
    def collect(cls, found: Iterable[tuple[str, np.ndarray]], method: str) -> SaliencyMaps:
        """Collect streamed maps.

        Args:
            found: (image id, bool [height, width]) each.
            method: A key of :data:`reb_pipeline.defectmaker.saliency.SALIENCY`.
        """
        from reb_pipeline.defectmaker.saliency import or_whole_image

        maps, image_ids, fallbacks = [], [], []
        for image_id, saliency in found:
            usable, is_fallback = or_whole_image(_resize(saliency, SALIENCY_SIDE))
            maps.append(usable)
            image_ids.append(image_id)
            if is_fallback:
                fallbacks.append(image_id)
        return cls(np.stack(maps), image_ids, method, fallbacks)

    def at(self, image_id: str, side: int) -> np.ndarray:
        """The map of one image, bool [side, side].

        Raises:
            InputError: If the image has none.
        """
        if image_id not in self._rows:
            msg = (
                f"Image {image_id!r} has no saliency map: run the pipeline defect_synthesis again."
            )
            raise InputError(msg)
        return _resize(self.maps[self._rows[image_id]], side)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row of each image: asked for once an image, so a search each time would cost its square."""
        return {image_id: row for row, image_id in enumerate(self.image_ids)}


@dataclass(frozen=True)
class SyntheticDefects:
    """Synthetic defects with their masks, made from held-out good images.

    Attributes:
        images: uint8 [defects, side, side, 3] RGB.
        masks: bool [defects, side, side].
        labels: Number of the kind from 1, int64 [defects].
        kinds: Names of the kinds.
        image_ids: Id of the good image that each was made from.
        recipes: How each was made, see :class:`reb_pipeline.defectmaker.maker.Recipe`.
    """

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    kinds: list[str]
    image_ids: list[str]
    recipes: list[dict[str, Any]]

    @classmethod
    def collect(
        cls, made: Iterable[tuple[str, int, Defect]], kinds: Iterable[str]
    ) -> SyntheticDefects:
        """Collect defects.

        Args:
            made: (id of the good image, label, defect) each.
            kinds: Names of the kinds, in the order of the labels.
        """
        image_ids, labels, defects = zip(*made, strict=True)
        return cls(
            images=np.stack([defect.image for defect in defects]),
            masks=np.stack([defect.mask for defect in defects]),
            labels=np.array(labels, np.int64),
            kinds=list(kinds),
            image_ids=list(image_ids),
            recipes=[asdict(defect.recipe) for defect in defects],
        )


def _resize(mask: np.ndarray, side: int) -> np.ndarray:
    import cv2

    resized = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    # Half of the maximum, so that a part smaller than a pixel does not vanish.
    return np.asarray((resized > 0) & (resized >= resized.max() / 2))
