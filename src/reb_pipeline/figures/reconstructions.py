"""Matplotlib figure of images, their reconstructions by networks, and the residuals."""

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

# Inches: side of a panel; gaps between columns and (for titles) between rows; top margin; width of the colour bar.
_CELL, _GAP, _ROW_GAP, _TOP, _BAR = 1.6, 0.08, 0.32, 1.1, 1.2
_COLOUR_MAP = colormaps["YlOrRd"].with_extremes(under="white")
_TICKS = (1, 2, 5, 10, 20, 50, 100)  # ticks of the colour bar
# Smallest upper end of the colours: with a lower one, small differences would look like defects.
_LOWEST_TOP = 5.0
_MARK_COLOUR = "#00E5FF"  # rare on parts, unlike red, white and black
_MARK_MARGIN = 0.02  # margin between a defect and its box, as a share of the image's side


def reconstructions_figure(
    examples: Sequence[Example], networks: Mapping[str, Sequence[ReconstructedExample]], title: str
) -> Figure:
    """Draw one row per example: the image, and the reconstruction and the residual of each network.

    All residuals have one colour scale, in multiples of the 99 % quantile of the residuals of good pixels; smaller ones
    have no colour. A network that reconstructs the defect as well has no residual there.

    Args:
        examples: The examples, at least one.
        networks: Name of each network -> reconstructions of all examples.
        title: Title of the figure.

    Returns:
        The figure, independent of windows and of pyplot state.

    Raises:
        ValueError: If a network has not reconstructed every example.
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
    """Create a figure of square panels of a fixed size, and their axes [rows, columns]."""
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
    """Draw the colour bar at the right of all panels."""
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
    """Draw the image, a box around its defect, and its title above the row."""
    height, width = example.image.shape[:2]
    axis.imshow(example.image, aspect=width / height)  # square, like the input of the networks
    axis.set_title(example.title, loc="left", fontsize=9)
    if example.mask is None or not example.mask.any():
        return
    rows, columns = np.nonzero(example.mask)
    margin = _MARK_MARGIN * max(example.mask.shape)
    corner = (columns.min() - margin, rows.min() - margin)
    size = (np.ptp(columns) + 2 * margin, np.ptp(rows) + 2 * margin)
    axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=_MARK_COLOUR, linewidth=1))


def _name(axis: Axes, name: str) -> None:
    """Write the heading of a column."""
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
