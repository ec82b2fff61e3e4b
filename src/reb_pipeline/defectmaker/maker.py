"""DefectMaker: combines a shape, a fill and a fusion to a defect on a good image (REB paper section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.defectmaker.color import color_jitter
from reb_pipeline.defectmaker.fills import FILLS, Donor, Material, draw_salient
from reb_pipeline.defectmaker.fusion import FUSIONS
from reb_pipeline.defectmaker.images import is_grey, pixel_scale
from reb_pipeline.defectmaker.shapes import SHAPES, Shape
from reb_pipeline.defectmaker.sizes import DefectSize, lengthened, with_contrast
from reb_pipeline.defectmaker.streams import Purpose, random_stream
from reb_pipeline.images.arrays import check_rgb

REDRAWS = 8  # attempts to draw a shape that is not empty


@dataclass(frozen=True)
class DefectKind:
    """Shape, fill and fusion of a kind of defect.

    Attributes:
        shape: A key of ``SHAPES``.
        fill: A key of ``FILLS``.
        fusion: A key of ``FUSIONS``; if None, one of the fusions of the shape is drawn for every defect.

    Raises:
        InputError: If a name is unknown.

    Example:
        >>> from reb_pipeline.defectmaker.maker import DefectKind
        >>> DefectKind("bezier", "cut_paste").name
        'bezier+cut_paste'
        >>> DefectKind("rect_scar", "noise", "blend").name
        'rect_scar+noise+blend'
    """

    shape: str
    fill: str
    fusion: str | None = None

    def __post_init__(self) -> None:
        check_known([self.shape], list(SHAPES), "Shape")
        check_known([self.fill], list(FILLS), "Fill")
        if self.fusion is not None:
            check_known([self.fusion], list(FUSIONS), "Fusion")

    @property
    def name(self) -> str:
        """Name of the kind, such as ``bezier+cut_paste``; ends with the fusion if one is fixed."""
        return "+".join(part for part in (self.shape, self.fill, self.fusion) if part)


REB_KINDS = tuple(
    DefectKind(shape, fill)
    for fill in ("cut_paste", "noise")
    for shape in ("bezier", "bezier_scar", "bezier_clump")
)
"""The six kinds of the paper, in the order of labels 1 to 6 of the reference code; label 0 is a good image."""


@dataclass(frozen=True)
class Recipe:
    """Parameters that a defect was made with.

    Attributes:
        shape: A key of ``SHAPES``.
        fill: A key of ``FILLS``.
        fusion: A key of ``FUSIONS``: the fusion that was drawn.
        box: Row and column of the upper left pixel, height and width, in pixels; contains the whole mask.
        weight: Weight of the fill, 0..1.
        seed: Seed of the set of defects, as given.
        index: Number of the defect, as given.
    """

    shape: str
    fill: str
    fusion: str
    box: tuple[int, int, int, int]
    weight: float
    seed: int
    index: int


@dataclass(frozen=True, eq=False)
class Defect:
    """An image with a synthetic defect.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        mask: Pixels of the defect, bool [H, W], never empty.
        recipe: Parameters that it was made with.
    """

    image: np.ndarray
    mask: np.ndarray
    recipe: Recipe


class DefectMaker:
    """Makes synthetic defects; the same arguments give the same bytes, in any order and any process.

    Defects on grey images are grey. The noise of the reference code is coloured on grey images too.

    Args:
        donors: Good images with their saliency, for the fill ``cut_paste``.
        textures: Images of other things, uint8 [H, W, 3] each, for the fill ``texture``.
        purpose: Use of the defects; no two purposes share a draw.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker
        >>> image = np.full((64, 64, 3), 128, np.uint8)
        >>> saliency = np.ones((64, 64), bool)
        >>> maker = DefectMaker(donors=[])
        >>> defect = maker.make(image, saliency, DefectKind("bezier", "noise"), seed=0, index=0)
        >>> defect.image.shape, bool(defect.mask.any())
        ((64, 64, 3), True)
        >>> bool((defect.image != image)[~defect.mask].any())  # only pixels of the mask change
        False
    """

    def __init__(
        self,
        donors: Sequence[Donor],
        textures: Sequence[np.ndarray] | None = None,
        purpose: Purpose = Purpose.TRAINING,
    ) -> None:
        self._donors = donors
        self._textures = () if textures is None else textures
        self._purpose = purpose

    def make(
        self,
        image: np.ndarray,
        saliency: np.ndarray,
        kind: DefectKind,
        seed: int,
        index: int,
        size: DefectSize | None = None,
    ) -> Defect:
        """Make one defect around a salient pixel, cut off where the image is not salient.

        The reference code constrains only the centre, so its defects may extend over the background.

        Args:
            image: uint8 [H, W, 3], RGB; not changed.
            saliency: Region that may bear a defect, bool [H, W].
            kind: Kind of the defect.
            seed: Seed of the whole set of defects, not negative.
            index: Number of this defect, not negative.
            size: Length and contrast; None for those of the reference code.

        Raises:
            InputError: If the image or the saliency map has the wrong shape or type, nothing is salient, or the
                fill has no image to cut from.
        """
        _check_arguments(image, saliency, seed, index)
        rng = random_stream(self._purpose, seed, index, kind.name)
        shape = SHAPES[kind.shape]
        fusion_name = kind.fusion or shape.fusions[rng.integers(len(shape.fusions))]
        fusion = FUSIONS[fusion_name]
        weight = float(rng.uniform(*shape.blend_weight)) if fusion.blends else 1.0

        shown, scale = image.shape[:2], pixel_scale(image.shape[:2])
        shape_mask = _draw_mask(rng, shape, shown)
        if size is not None:
            shape_mask = lengthened(shape_mask, size.length, shown)
        height, width = shape_mask.shape
        row, column = draw_salient(rng, saliency)
        top = min(max(row - height // 2, 0), shown[0] - height)
        left = min(max(column - width // 2, 0), shown[1] - width)
        box = slice(top, top + height), slice(left, left + width)

        on_part = shape_mask & saliency[box]
        # Keep the defect within the salient region, unless nothing of it would be left.
        shape_mask = on_part if on_part.any() else shape_mask
        material = Material(self._donors, self._textures, scale)
        fill = color_jitter(rng, FILLS[kind.fill](rng, (height, width), material))
        if is_grey(image):  # a grey-scale camera shows no coloured defects
            fill = np.repeat(cv2.cvtColor(fill, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        kernel = max(3, round(shape.edge_kernel * scale) | 1)
        fused = fusion.fuse(image[box], fill, shape_mask, weight, kernel)
        if size is not None:
            fused = with_contrast(image[box], fused, shape_mask, size.contrast)
        defective, mask = image.copy(), np.zeros(shown, bool)
        defective[box] = fused
        mask[box] = shape_mask
        recipe = Recipe(
            kind.shape,
            kind.fill,
            fusion_name,
            (top, left, height, width),
            weight,
            int(seed),
            int(index),
        )
        return Defect(defective, mask, recipe)


def _check_arguments(image: np.ndarray, saliency: np.ndarray, seed: int, index: int) -> None:
    check_rgb(image, "The image")
    if saliency.dtype != bool or saliency.shape != image.shape[:2]:
        msg = (
            f"The saliency map is {saliency.dtype} {list(saliency.shape)} for an image of "
            f"{list(image.shape[:2])}: give bool of the image's height and width."
        )
        raise InputError(msg)
    if seed < 0 or index < 0:
        msg = f"Seed {seed} with index {index} is negative: give numbers from 0 on."
        raise InputError(msg)


def _draw_mask(rng: np.random.Generator, shape: Shape, image: tuple[int, int]) -> np.ndarray:
    """Draw the mask of a shape that is not empty; a rectangle if all attempts come out empty."""
    for _ in range(REDRAWS):
        mask = shape.draw(rng, image)
        if mask.any():
            return mask
    return SHAPES["rect"].draw(rng, image)
