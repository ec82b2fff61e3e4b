"""Matplotlib figure of images, what networks reconstruct of them, and what is left."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reb_pipeline.reconstruction.examples import Example
from reb_pipeline.reconstruction.reconstructed_defects import ReconstructedExample

# Inches: a cell, the gaps between columns and, for titles, between rows; the margin above and the colour bar.
_CELL, _GAP, _ROW_GAP, _TOP, _BAR = 1.6, 0.08, 0.32, 1.1, 1.2
_COLOUR_MAP = colormaps["YlOrRd"].with_extremes(under="white")
_TICKS = (1, 2, 5, 10, 20, 50, 100)  # of the colours
_LOWEST_TOP = 5.0  # of the colours: below, even small differences would seem to be defects
_MARK_COLOUR = "#00E5FF"  # on hardly any part, unlike red, white and black
_MARK_MARGIN = 0.02  # between a defect and the box around it, share of the image's side


def reconstructions_figure(
    examples: Sequence[Example], networks: Mapping[str, Sequence[ReconstructedExample]], title: str
) -> Figure:
    """One row an example: the image, and of each network the reconstruction and the residual.

    All residuals are on one colour scale, in multiples of the residual that 99 % of the pixels of good images stay
    below; smaller ones have no colour. A network that reconstructs the defect too leaves none.

    Args:
        examples: The rows, at least one.
        networks: Name of each network -> each example reconstructed by it.
        title: Shown above all.

    Returns:
        The figure, tied to no window or pyplot state.

    Raises:
        ValueError: if a network has not reconstructed each example.
    """
    figure, axes = _grid(len(examples), 1 + 2 * len(networks))
    residuals = [found.residual for of_model in networks.values() for found in of_model]
    high = max(_LOWEST_TOP, *(float(residual.max()) for residual in residuals))
    scale = LogNorm(1, high)
    for axis, example in zip(axes[:, 0], examples, strict=True):
        _draw_image(axis, example)
    _name(axes[0, 0], "image")
    for column, (model, of_model) in enumerate(networks.items()):
        pairs = axes[:, 1 + 2 * column : 3 + 2 * column]
        for (drawn, left), found in zip(pairs, of_model, strict=True):
            drawn.imshow(found.reconstruction, vmin=0, vmax=1)
            left.imshow(found.residual, _COLOUR_MAP, norm=scale)
            if found.share is not None:
                left.set_title(f"draws {found.share:.0%} of the defect", fontsize=9, loc="right")
        _name(pairs[0, 0], f"{model.replace('_', ' ')}:\nreconstruction")
        _name(pairs[0, 1], "residual")
    _draw_scale(figure, scale, high)
    figure.suptitle(title, y=1 - 0.1 / figure.get_figheight(), va="top")
    return figure


def _grid(n_rows: int, n_columns: int) -> tuple[Figure, np.ndarray]:
    """A figure of square cells of a fixed size, and their axes [rows, columns]."""
    width = n_columns * (_CELL + _GAP) + _GAP + _BAR
    height = n_rows * (_CELL + _ROW_GAP) + _TOP - _ROW_GAP + _GAP
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(
        n_rows,
        n_columns,
        squeeze=False,
        gridspec_kw={
            "left": _GAP / width,
            "right": 1 - (_BAR + _GAP) / width,
            "top": 1 - _TOP / height,
            "bottom": _GAP / height,
            "wspace": _GAP / _CELL,
            "hspace": _ROW_GAP / _CELL,
        },
    )
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
    return figure, axes


def _draw_scale(figure: Figure, scale: LogNorm, high: float) -> None:
    """The colour bar, right of all cells."""
    width, height = figure.get_size_inches()
    length = min(4.0, height - _TOP - _GAP)
    place = (
        1 - (_BAR - 0.15) / width,
        (height - _TOP - length) / height,
        0.15 / width,
        length / height,
    )
    bar = figure.colorbar(
        ScalarMappable(scale, _COLOUR_MAP), cax=figure.add_axes(place), extend="min"
    )
    shown = [tick for tick in _TICKS if tick <= high]
    bar.set_ticks(shown, labels=[f"{tick} ×" for tick in shown], minor=False)
    bar.minorticks_off()
    bar.set_label("residual over that of 99 % of good pixels")


def _draw_image(axis: Axes, example: Example) -> None:
    """Show the image, a box around its defect, and its title over the row."""
    height, width = example.image.shape[:2]
    axis.imshow(example.image, aspect=width / height)  # square, as the networks see it
    axis.set_title(example.title, loc="left", fontsize=9)
    if example.mask is None or not example.mask.any():
        return
    rows, columns = np.nonzero(example.mask)
    margin = _MARK_MARGIN * max(example.mask.shape)
    corner = (columns.min() - margin, rows.min() - margin)
    size = (np.ptp(columns) + 2 * margin, np.ptp(rows) + 2 * margin)
    axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=_MARK_COLOUR, linewidth=1))


def _name(axis: Axes, name: str) -> None:
    """Head a column."""
    axis.annotate(
        name,
        xy=(0.5, 1),
        xycoords="axes fraction",
        xytext=(0, 18),  # above the row's titles
        textcoords="offset points",
        ha="center",
        weight="bold",
        fontsize=9,
    )
