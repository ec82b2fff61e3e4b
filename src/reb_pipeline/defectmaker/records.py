"""Records of saliency maps and of synthetic defects; imports no heavy package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.images.samples import check_images

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.defectmaker.maker import Defect

_AGAIN = "run the pipeline defect_synthesis again"
SALIENCY_SIDE = 128  # px: enough for outlines of parts, and hundreds of maps stay small


@dataclass(frozen=True)
class SaliencyMaps:
    """Regions of good images that may bear a defect.

    Attributes:
        maps: bool [images, 128, 128].
        image_ids: Ids of the images.
        method: A key of :data:`reb_pipeline.defectmaker.saliency.SALIENCY`.
        fallbacks: Ids of images without a salient region; the map of each is the whole image.
        image_hashes: SHA-256 of the files of the images; empty if unknown.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.defectmaker.records import SaliencyMaps
        >>> found = [("a", np.eye(256, dtype=bool)), ("b", np.zeros((256, 256), bool))]
        >>> maps = SaliencyMaps.collect(found, "spectral_residual")
        >>> maps.maps.shape, maps.fallbacks
        ((2, 128, 128), ['b'])
        >>> maps.at("b", 64).all()  # the whole image
        np.True_
    """

    FORMAT: ClassVar[int] = 2
    FORMER_VALUES: ClassVar[Mapping[str, Any]] = {"image_hashes": []}

    maps: np.ndarray
    image_ids: list[str]
    method: str
    fallbacks: list[str]
    image_hashes: list[str] = field(default_factory=list)

    @classmethod
    def collect(cls, found: Iterable[tuple[str, np.ndarray]], method: str) -> SaliencyMaps:
        """Collect a stream of saliency maps.

        Args:
            found: (image id, bool [height, width]) of each image.
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

    def check_images(self, samples: pd.DataFrame) -> None:
        """Check that no image of these samples has changed since its map was made; one without a map is refused later.

        Raises:
            InputError: If one has changed.
        """
        known = dict(zip(self.image_ids, self.image_hashes, strict=False))
        there = {image_id: known[image_id] for image_id in samples["id"] if image_id in known}
        _check_images("The saliency maps were made from", samples, there)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all maps and the images that they are of."""
        digest = hashlib.blake2b(json.dumps(self.image_ids).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.maps).data)
        return digest.hexdigest()

    def at(self, image_id: str, size: Size) -> np.ndarray:
        """Get the map of one image, resized to a square or to height and width, bool [height, width].

        Raises:
            InputError: If the image has no map.
        """
        if image_id not in self._rows:
            msg = (
                f"Image {image_id!r} has no saliency map: run the pipeline defect_synthesis again."
            )
            raise InputError(msg)
        return _resize(self.maps[self._rows[image_id]], size)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row of each image id, computed once: a linear search per image would take quadratic time."""
        return {image_id: row for row, image_id in enumerate(self.image_ids)}


@dataclass(frozen=True)
class SyntheticDefects:
    """Synthetic defects with their masks, made from held-out good images.

    Attributes:
        images: uint8 [defects, height, width, 3] RGB.
        masks: bool [defects, height, width].
        labels: Number of the kind, counted from 1, int64 [defects].
        kinds: Names of the kinds.
        image_ids: Id of the good image that each defect was made from.
        recipes: Parameters of each defect, see :class:`reb_pipeline.defectmaker.maker.Recipe`.
        purpose: A :class:`reb_pipeline.defectmaker.streams.Purpose`; a draw is named by it, kind, seed and index.
        image_hashes: SHA-256 of the file of each of these images; empty if unknown.
        saliency_fingerprint: Hash of the saliency maps, see :attr:`SaliencyMaps.fingerprint`; empty if unknown.
    """

    # Files of format 1 name no purpose: their defects are draws of the training.
    FORMAT: ClassVar[int] = 3
    FORMER_VALUES: ClassVar[Mapping[str, Any]] = {"image_hashes": []}

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    kinds: list[str]
    image_ids: list[str]
    recipes: list[dict[str, Any]]
    purpose: str = Purpose.TRAINING
    image_hashes: list[str] = field(default_factory=list)
    saliency_fingerprint: str = ""

    def check_images(self, held_out: pd.DataFrame) -> None:
        """Check that the defects were made on held-out good images as they are now.

        Raises:
            InputError: If an image is not held out any more, or has changed.
        """
        known = dict(zip(self.image_ids, self.image_hashes, strict=False))
        _check_images("The synthetic defects were made on", held_out, known)

    def check_saliency(self, saliency: SaliencyMaps) -> None:
        """Check that the defects were placed by these saliency maps.

        Raises:
            InputError: If they were placed by others.
        """
        if self.saliency_fingerprint not in ("", saliency.fingerprint):
            msg = f"The synthetic defects were made with other saliency maps: {_AGAIN}."
            raise InputError(msg)

    @classmethod
    def collect(
        cls,
        made: Iterable[tuple[str, int, Defect]],
        kinds: Iterable[str],
        purpose: str = Purpose.TRAINING,
    ) -> SyntheticDefects:
        """Collect a stream of defects.

        Args:
            made: (id of the good image, label, defect) of each defect.
            kinds: Names of the kinds, in the order of the labels.
            purpose: A :class:`reb_pipeline.defectmaker.streams.Purpose`.
        """
        image_ids, labels, defects = zip(*made, strict=True)
        return cls(
            images=np.stack([defect.image for defect in defects]),
            masks=np.stack([defect.mask for defect in defects]),
            labels=np.array(labels, np.int64),
            kinds=list(kinds),
            image_ids=list(image_ids),
            recipes=[asdict(defect.recipe) for defect in defects],
            purpose=purpose,
        )


def _check_images(what: str, samples: pd.DataFrame, hashes: dict[str, str]) -> None:
    ids, known = list(hashes), list(hashes.values())
    check_images(what, samples, ids, known, _AGAIN, complete=False)


def _resize(mask: np.ndarray, size: Size) -> np.ndarray:
    import cv2

    width_and_height = shape_of(size)[::-1]
    resized = cv2.resize(mask.astype(np.float32), width_and_height, interpolation=cv2.INTER_AREA)
    # Threshold at half of the maximum, so that a part smaller than a pixel does not vanish.
    return np.asarray((resized > 0) & (resized >= resized.max() / 2))
