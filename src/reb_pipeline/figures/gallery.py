"""Matplotlib figure of synthetic defects: every shape x fill x fusion on a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.fusion import FUSIONS
from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker
from reb_pipeline.defectmaker.shapes import SHAPES
from reb_pipeline.defectmaker.streams import Purpose

_CONTEXT = 3  # side of the crop, as a multiple of the side of the defect's box
_SMALLEST_CROP = 0.4  # share of the image's side: a smaller crop would not show the part
_CELL = 1.2  # side of a close-up in inches
_NAMES = (1.25, 0.8)  # inches left of the close-ups, and above them
_GAP = 0.05  # of close-ups, as a share of their side
_MARK_COLOUR = "#00E5FF"  # rare on parts, unlike red, white and black
_MARK = 0.05  # arm of a corner mark, as a share of the crop's side


@dataclass(frozen=True, eq=False)
class GalleryCell:
    """Close-up of one synthetic defect in the gallery.

    Attributes:
        image: [H, W, 3] uint8 RGB, with the defect.
        mask: [H, W] bool, True = defect.

    Raises:
        ValueError: If the mask differs from the image in height or width, or is empty.
    """

    image: np.ndarray
    mask: np.ndarray

    def __post_init__(self) -> None:
        size = self.image.shape[:2]
        if self.mask.shape != size:
            raise ValueError(
                f"The mask of a defect has shape {self.mask.shape} and its image {size}: "
                "resize it to the image."
            )
        if not self.mask.any():
            raise ValueError("The mask of a defect is empty: show defects only.")


def draw_gallery(
    sources: Sequence[Donor],
    donors: Sequence[Donor],
    textures: Sequence[np.ndarray] | None,
    fills: Sequence[str],
    seed: int,
    title: str,
) -> Figure:
    """Make one defect of every shape, given fill and fusion, and draw them in a table.

    Args:
        sources: Good images that get the defects in turn, at least one.
        donors: Good images for the fill ``cut_paste``.
        textures: Images of other things for the fill ``texture``.
        fills: Keys of :data:`reb_pipeline.defectmaker.fills.FILLS`.
        seed: Seed of the defects.
        title: Title of the figure.

    Returns:
        The figure, with one row per shape and one column per fill and fusion.

    Raises:
        InputError: If a fill is unknown or has no image to cut from, or a source has the wrong shape or type.
    """
    maker = DefectMaker(donors, textures, Purpose.FIGURES)
    columns = list(product(fills, FUSIONS))
    kinds = [DefectKind(a, b, c) for a, (b, c) in product(SHAPES, columns)]
    made: dict[int, GalleryCell] = {}
    for first in range(min(len(sources), len(kinds))):
        source = sources[first]  # opened once for all its defects
        for index in range(first, len(kinds), len(sources)):
            defect = maker.make(source.image, source.saliency, kinds[index], seed, index)
            made[index] = GalleryCell(defect.image, defect.mask)
    cells = [made[index] for index in range(len(kinds))]
    rows = [cells[start : start + len(columns)] for start in range(0, len(cells), len(columns))]
    return gallery_figure(rows, list(SHAPES), [f"{a}\n{b}" for a, b in columns], title)


def gallery_figure(
    cells: Sequence[Sequence[GalleryCell]], rows: Sequence[str], columns: Sequence[str], title: str
) -> Figure:
    """Draw close-ups of defects in a table, each with marks at the corners of its box.

    Only corners are marked, since an outline would hide the edge of a defect.

    Args:
        cells: Close-ups by row and column.
        rows: Name of each row.
        columns: Name of each column; may have several lines.
        title: Title of the figure.

    Returns:
        The figure, independent of windows and of pyplot state.

    Raises:
        ValueError: If the number of close-ups does not match the names.
    """
    left, top = _NAMES
    width, height = left + _CELL * len(columns), top + _CELL * len(rows)
    figure = Figure(figsize=(width, height))  # a layout engine would take as long as the drawing
    grid = {"left": left / width, "right": 1 - _GAP / width, "bottom": _GAP / height}
    grid |= {"top": 1 - top / height, "wspace": _GAP, "hspace": _GAP}
    axes = figure.subplots(len(rows), len(columns), squeeze=False, gridspec_kw=grid)
    for row_axes, row_cells in zip(axes, cells, strict=True):
        for axis, cell in zip(row_axes, row_cells, strict=True):
            _draw(axis, cell)
    for axis, name in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name, fontsize=10)
    figure.suptitle(title, y=1 - _GAP / height)
    return figure


def _draw(axis: Axes, cell: GalleryCell) -> None:
    """Draw the surroundings of a defect and the corners of its box."""
    top, bottom = _span(cell.mask, 0)
    left, right = _span(cell.mask, 1)
    side = _CONTEXT * max(bottom - top, right - left)
    upper, lower = _widen(top, bottom, side, cell.mask.shape[0])
    west, east = _widen(left, right, side, cell.mask.shape[1])
    axis.imshow(
        cell.image[upper:lower, west:east],
        extent=(west, east, lower, upper),  # in pixels of the whole image, like the box
        interpolation="antialiased",
    )
    arm = _MARK * (lower - upper)
    for y, inwards_y in ((top, arm), (bottom, -arm)):
        for x, inwards_x in ((left, arm), (right, -arm)):
            axis.plot(
                [x + inwards_x, x, x],
                [y, y, y + inwards_y],
                color=_MARK_COLOUR,
                linewidth=1,
                solid_joinstyle="miter",
                clip_on=False,
            )
    axis.set(xlim=(west, east), ylim=(lower, upper), xticks=[], yticks=[])


def _span(mask: np.ndarray, axis: int) -> tuple[int, int]:
    """Find the first row or column with a True, and the one after the last."""
    hits = np.nonzero(mask)[axis]
    return int(hits.min()), int(hits.max()) + 1


def _widen(start: int, stop: int, side: int, length: int) -> tuple[int, int]:
    """Compute a span of ``side`` around another span, with a minimum length, shifted to lie inside the image."""
    side = min(max(side, round(_SMALLEST_CROP * length)), length)
    first = min(max((start + stop - side) // 2, 0), length - side)
    return first, first + side
