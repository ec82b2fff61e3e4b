"""Defects of chosen sizes on good parts that nothing has learnt from, to measure what a detector finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from reb_pipeline.core.progress import progress
from reb_pipeline.core.sizes import Size, at_most, shape_of
from reb_pipeline.defectmaker.good_images import GoodImages, salient_within
from reb_pipeline.defectmaker.images import REFERENCE_SIDE, pixel_scale
from reb_pipeline.defectmaker.maker import Defect, DefectKind, DefectMaker
from reb_pipeline.defectmaker.records import SALIENCY_SIDE, SaliencyMaps
from reb_pipeline.defectmaker.settings import (
    DefectSynthesisSettings,
    DetectionProbabilitySettings,
)
from reb_pipeline.defectmaker.sizes import DefectSize, grey_contrast, longest_extent
from reb_pipeline.defectmaker.streams import Purpose, random_stream
from reb_pipeline.images.region import Region
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import Samples

# Photos with more pixels than a square of so many times the network's side are shrunk before a defect is drawn on them.
FINER = 4
LARGEST_DONOR = 512  # px: side of the images that pieces are cut from


@dataclass(frozen=True, eq=False)
class Probe:
    """Part with one drawn defect.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        image_id: Id of the good image.
        kind: Name of the kind of the defect.
        contrast: Contrast asked for, in grey levels.
        drawn_contrast: Contrast of the defect, in grey levels.
        length: Longest extent of the defect in pixels of the photo.
        area: Area of the defect in pixels of the photo.
    """

    image: np.ndarray
    image_id: str
    kind: str
    contrast: float
    drawn_contrast: float
    length: float
    area: int


def draw_probes(
    parts: Samples,
    saliency: SaliencyMaps,
    synthesis: DefectSynthesisSettings,
    settings: DetectionProbabilitySettings,
    size: Size,
    region: Region | None = None,
) -> Iterator[Probe]:
    """Draw defects of every kind and contrast, part after part; lengths are uniform in their logarithm.

    The same settings and parts give the same probes.

    Args:
        parts: Good images that nothing has learnt from.
        saliency: Their saliency maps.
        synthesis: Kinds of defects and textures.
        settings: Numbers, lengths and contrasts.
        size: Side, or height and width, in pixels that the network sees a photo at; see :data:`FINER`.
        region: Region of interest, which all defects lie in; None for the whole image.

    Raises:
        InputError: If an image has no saliency map or has changed, or a texture cannot be read.
    """
    largest = FINER * max(shape_of(size))
    good = GoodImages(parts, saliency, at_most(size, LARGEST_DONOR), region)
    maker = DefectMaker(good, synthesis.textures(held_out=True), Purpose.DETECTION)
    openers = progress(parts.openers, f"{parts.category}: drawn defects scored")
    for place, (image_id, opener) in enumerate(zip(parts.ids, openers, strict=True)):
        photo = opener()
        image = resize_image(photo, at_most(photo.shape[:2], largest))
        scale = pixel_scale(photo.shape[:2]) / pixel_scale(image.shape[:2])
        salient = _where(saliency, image_id, image.shape[:2], region)
        for kind in synthesis.kinds():
            for contrast in settings.contrasts:
                for index in range(place, settings.draws, len(parts)):
                    length = _length(settings, kind, index) * pixel_scale(image.shape[:2])
                    wanted = DefectSize(length, contrast)
                    defect = maker.make(image, salient, kind, settings.seed, index, wanted)
                    yield _probe(image, image_id, kind, contrast, defect, scale)


def _probe(
    image: np.ndarray,
    image_id: str,
    kind: DefectKind,
    contrast: float,
    defect: Defect,
    scale: float,
) -> Probe:
    return Probe(
        defect.image,
        image_id,
        kind.name,
        contrast,
        grey_contrast(image, defect.image, defect.mask),
        longest_extent(defect.mask) * scale,
        round(int(defect.mask.sum()) * scale**2),
    )


def _length(settings: DetectionProbabilitySettings, kind: DefectKind, index: int) -> float:
    """Draw a length in pixels of a 256 x 256 image."""
    rng = random_stream(Purpose.DETECTION, settings.seed, index, f"length of {kind.name}")
    ends = np.log([settings.shortest, settings.longest])
    return REFERENCE_SIDE * float(np.exp(rng.uniform(*ends)))


def _where(
    saliency: SaliencyMaps, image_id: str, shape: tuple[int, ...], region: Region | None
) -> np.ndarray:
    """Resize the saliency of an image to its own size, bool [H, W], within the region."""
    small = saliency.at(image_id, SALIENCY_SIDE).astype(np.uint8)
    salient = cv2.resize(small, shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    if region is None:
        return salient
    return salient_within(salient, region.patches((shape[0], shape[1])))
