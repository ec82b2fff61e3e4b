"""Scatter plot of accuracy against cost (plotly)."""

from collections.abc import Sequence
from itertools import cycle, islice

import pandas as pd
import plotly.graph_objects as go

from reb_pipeline.figures.studies import log_axis, nothing_measured, series_colours

# Sides of the labels, alternating, since methods of a family lie close together.
SIDES = ("middle right", "middle left")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross", "x")


def trade_off_figure(
    table: pd.DataFrame, x: str, y: str, method: str, family: str, title: str, shown: Sequence[str]
) -> go.Figure:
    """Draw one marker per method with its name; up and to the right is better.

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
            textposition=list(islice(cycle(SIDES), len(rows))),
            mode="markers+text",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 12},
            cliponaxis=False,
        )
    figure.update_xaxes(title=_words(x), **log_axis(table[x]))
    figure.update_yaxes(title=_words(y))
    return figure


def _words(column: str) -> str:
    return column.replace("_", " ")
