"""Figure of composed images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 6
SIDE = 1.8  # inches of an image


def composed_figure(shown: Sequence[tuple[str, np.ndarray, np.ndarray]], title: str) -> "Figure":
    """Draw images in rows, with the outline of their changed pixels.

    Args:
        shown: Kind, image, uint8 [side, side, 3], and changed pixels, bool [side, side], of each.
        title: Title of the figure.
    """
    from matplotlib.figure import Figure

    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * SIDE, rows * SIDE + 0.5), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (kind, image, mask) in zip(axes.flat, shown, strict=False):
        axis.imshow(image)
        if mask.any():
            axis.contour(mask, [0.5], colors="red", linewidths=0.8)
        axis.set_title(kind, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
