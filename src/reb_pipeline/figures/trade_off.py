"""Scatter plot of accuracy against cost (plotly)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reb_pipeline.figures.studies import log_axis, nothing_measured, series_colours

_LABEL_HEIGHT = 22  # px of the figure for the name of one method
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross", "x")


def trade_off_figure(
    table: pd.DataFrame, x: str, y: str, method: str, family: str, title: str, shown: Sequence[str]
) -> go.Figure:
    """Draw one marker per method; up and to the right is better. A line leads to its name in a column on the right.

    The names stand below each other in the order of the metric, so none lies over another.

    Args:
        table: One row per marker.
        x: Column of the speed, on a logarithmic axis; also the title of the axis.
        y: Column of the metric.
        method: Column of the names of the methods.
        family: Column that determines colour and symbol, in the order of the legend.
        title: Title of the figure.
        shown: Columns of numbers shown on hover.
    """
    if table.empty:
        return nothing_measured(title)
    figure = go.Figure(layout={"title": title, "template": "plotly_white"})
    lines = [f"{_words(name)} %{{customdata[{n}]:.4g}}" for n, name in enumerate(shown)]
    hover = "<br>".join(["%{text}", f"{_words(x)} %{{x:.4g}}", f"{_words(y)} %{{y:.4g}}", *lines])
    labels = _label_places(table, x, y)
    for (name, colour), symbol in zip(
        series_colours(table[family]).items(), cycle(SYMBOLS), strict=False
    ):
        rows = table[table[family] == name].sort_values(y, ascending=False)
        figure.add_scatter(
            x=rows[x],
            y=rows[y],
            text=rows[method],
            customdata=rows[list(shown)],
            hovertemplate=hover,
            mode="markers",
            name=name,
            legendgroup=name,
            marker={"color": colour, "symbol": symbol, "size": 12},
            cliponaxis=False,
        )
        for index, row in rows.iterrows():
            figure.add_annotation(
                x=math.log10(row[x]),
                y=row[y],
                ax=math.log10(labels.right),
                ay=labels.heights[index],
                axref="x",
                ayref="y",
                text=row[method],
                xanchor="left",
                showarrow=True,
                arrowhead=0,
                arrowwidth=1,
                arrowcolor=colour,
                opacity=0.8,
                standoff=7,
                font_color=colour,
            )
    axis = log_axis(table[x])
    ticks = [tick for tick in axis["tickvals"] if tick <= 1.1 * table[x].max()]  # not below names
    axis |= {"tickvals": ticks, "ticktext": axis["ticktext"][: len(ticks)]}
    figure.update_xaxes(title=_words(x), **axis, range=labels.x_range)
    figure.update_yaxes(title=_words(y), range=labels.y_range)
    figure.update_layout(
        height=max(450, 170 + _LABEL_HEIGHT * len(table)),
        legend={"orientation": "h", "yanchor": "bottom", "y": 1, "x": 0},
    )
    return figure


@dataclass(frozen=True)
class _Labels:
    """Places of the names: their left end, the height of each, and the axes that hold markers and names."""

    right: float
    heights: dict[Any, float]
    x_range: tuple[float, float]
    y_range: tuple[float, float]


def _label_places(table: pd.DataFrame, x: str, y: str) -> _Labels:
    low, high = math.log10(table[x].min()), math.log10(table[x].max())
    span = max(high - low, 0.3)
    least, most = float(table[y].min()), float(table[y].max())
    margin = 0.08 * (most - least) or 0.05
    order = table[y].sort_values(kind="stable").index
    heights = dict(zip(order, np.linspace(least, most, len(order)).tolist(), strict=True))
    if len(order) == 1:
        heights = {order[0]: most}
    x_range = (low - 0.05 * span, high + 0.75 * span)
    return _Labels(10 ** (high + 0.15 * span), heights, x_range, (least - margin, most + margin))


def _words(column: str) -> str:
    return column.replace("_", " ")
