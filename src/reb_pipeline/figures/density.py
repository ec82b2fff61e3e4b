"""Plotly figure of patches: distance to the memory bank over its local density."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from reb_pipeline.figures.curves import GOOD_COLOUR

# Okabe and Ito's palette, as in figures.curves.
_KIND_COLOURS = {"good": (GOOD_COLOUR, "#56B4E9"), "anomalous": ("#D55E00", "#E69F00", "#CC79A7")}
_LINE_COLOUR = "#009E73"
_MOST_POINTS = 3000  # points per sample: more would slow the page and hide each other
_FARTHEST = 5  # patches per image
PatchSample = tuple[str, ArrayLike, ArrayLike, str]  # see density_figure


def density_figure(
    samples: Sequence[PatchSample], line: tuple[float, float] | None, title: str
) -> go.Figure:
    """Draw the distance of patches to the memory bank over the local density of their nearest row.

    LDKNN scores a patch by its height above a line of slope α through the origin.

    Args:
        samples: (name, local density [n], squared distance to the nearest row [n], "good" or "anomalous") of each
        sample;
            at most 3000 patches of a sample are drawn, chosen at random with a fixed seed. The local density is the
            mean of the K squared distances, as in the score.
        line: Slope and intercept (in squared distance) of the line fitted to good patches; None if there are too few of
            them.
        title: Title of the figure.
    """
    figure = go.Figure(layout={"title": title, "template": "plotly_white"})
    colours = {kind: cycle(choice) for kind, choice in _KIND_COLOURS.items()}
    rng = np.random.default_rng(0)
    ends = np.zeros(2)
    for name, local_density, squared_distance, kind in samples:
        density, distance = np.asarray(local_density), np.asarray(squared_distance)
        chosen = rng.permutation(len(density))[:_MOST_POINTS]
        marker = {"color": next(colours[kind]), "size": 4, "opacity": 0.5}
        figure.add_scatter(
            x=density[chosen], y=distance[chosen], mode="markers", name=name, marker=marker
        )
        ends[1] = max(ends[1], density[chosen].max(initial=0))
    _add_line(figure, ends, ends, "α = 1", "dot")
    if line:
        slope, intercept = line
        name = f"α = {slope:.2f}, fitted to good patches"
        _add_line(figure, ends, intercept + slope * ends, name, "solid")
    figure.update_layout(legend_itemsizing="constant")
    figure.update_xaxes(title="local density (mean squared distance)", rangemode="tozero")
    figure.update_yaxes(title="squared distance to the nearest row", rangemode="tozero")
    return figure


def farthest_patches(
    local_density: np.ndarray, squared_distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Select the five patches of each image that are farthest from the memory bank.

    Args:
        local_density: Local density of the nearest row of each patch, floats [images, patches].
        squared_distance: Squared distance to that row, floats [images, patches].

    Returns:
        Local density and squared distance of the selected patches, floats [5 · images]; fewer if an image has fewer
        patches.
    """
    chosen = np.argsort(squared_distance, axis=1)[:, -_FARTHEST:]
    density, distance = (
        np.take_along_axis(axis, chosen, axis=1).ravel()
        for axis in (local_density, squared_distance)
    )
    return density, distance


def _add_line(figure: go.Figure, x: np.ndarray, y: np.ndarray, name: str, dash: str) -> None:
    line = {"color": _LINE_COLOUR, "width": 2.5, "dash": dash}
    figure.add_scatter(x=x, y=y, mode="lines", name=name, line=line)
