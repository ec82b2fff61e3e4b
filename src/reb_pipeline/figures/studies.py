"""Plotly figures of studies: sweeps of a setting, comparisons of methods, speed against accuracy."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb
from plotly.subplots import make_subplots

from reb_pipeline.figures.curves import GOOD_COLOUR

# Okabe and Ito's palette without black and yellow: visible on white and on Kedro-Viz's dark page.
_COLOURS = (GOOD_COLOUR, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_NEUTRAL = "#999999"
_PANELS_A_ROW = 5


def sweep_figure(
    table: pd.DataFrame,
    x: str,
    y: str,
    series: str,
    title: str,
    x_title: str,
    y_title: str,
    *,
    panels: str | None = None,
    log_x: bool = False,
    band: tuple[str, str] | None = None,
    unjoined: Sequence[str] = (),
) -> go.Figure:
    """Draw lines of y over x, one per series, on the same axes in every panel.

    Args:
        table: One row per point.
        x: Column of the swept setting, numbers.
        y: Column of the metric.
        series: Column of the lines' names, in the order of the legend.
        title: Title of the figure.
        x_title: Title of the x axis, below all panels.
        y_title: Title of the y axis, left of all panels.
        panels: Column of the names of the panels, such as the category; None for one panel.
        log_x: True for a logarithmic x axis.
        band: Columns of the lower and upper end of y's interval, drawn as a band; rows with NaN are left out.
        unjoined: Series whose points are drawn as diamonds without lines.
    """
    if table.empty:
        return nothing_measured(title)
    names = list(table[panels].unique()) if panels else [None]
    rows = -(-len(names) // _PANELS_A_ROW)
    figure = make_subplots(
        rows=rows,
        cols=min(len(names), _PANELS_A_ROW),
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=[str(name) for name in names] if panels else None,
        x_title=x_title,
        y_title=y_title,
        horizontal_spacing=0.02,
    )
    colours = series_colours(table[series])
    for index, name in enumerate(names):
        row, column = divmod(index, _PANELS_A_ROW)
        part = table[table[panels] == name] if panels else table
        for line, colour in colours.items():
            points = part[part[series] == line].sort_values(x)
            if points.empty:
                continue
            place = {"legendgroup": line, "row": row + 1, "col": column + 1}
            if band:
                known = points.dropna(subset=list(band))
                _add_band(figure, known[x], known[band[0]], known[band[1]], colour, place)
            figure.add_scatter(
                x=points[x],
                y=points[y],
                name=line,
                showlegend=False,
                line={"color": colour, "width": 2},
                **_style(line in unjoined),
                **place,
            )
    _add_legend(figure, colours, unjoined)
    # Plotly labels only the lowest row, which may have fewer panels.
    figure.update_xaxes(showticklabels=True, **(log_axis(table[x]) if log_x else {}))
    figure.update_layout(title=title, template="plotly_white", height=max(450, 100 + 260 * rows))
    return figure


def dots_figure(
    table: pd.DataFrame,
    x: str,
    y: str,
    series: str,
    title: str,
    *,
    low: str | None = None,
    high: str | None = None,
    reference: str | None = None,
) -> go.Figure:
    """Draw dots with intervals in rows of their own, and published values as hollow diamonds.

    Dots can be compared on an axis that does not begin at 0, which the lengths of bars cannot.

    Args:
        table: One row per dot.
        x: Column of the metric, also the axis' title.
        y: Column of the rows, drawn from the top in the order of the table.
        series: Column such as the category or the method, one colour each.
        title: Title of the figure.
        low: Column of the lower end of x's interval, NaN if there is none; requires ``high``.
        high: Column of the upper end of x's interval.
        reference: Column of the published value, in the unit of x; NaN if there is none.
    """
    if table.empty:
        return nothing_measured(title)
    names = table[y].unique()
    figure = go.Figure(layout={"title": title, "template": "plotly_white"})
    for name, colour in series_colours(table[series]).items():
        rows = table[table[series] == name]
        figure.add_scatter(
            x=rows[x],
            y=rows[y],
            mode="markers",
            name=name,
            marker={"color": colour, "size": 8},
        )
        if low and high:
            ends = {"array": rows[high] - rows[x], "arrayminus": rows[x] - rows[low], "width": 3}
            figure.data[-1].error_x = {**ends, "color": _faint(colour)}
        if reference and rows[reference].notna().any():
            diamonds = (rows[reference], rows[y])
            _add_diamonds(figure, *diamonds, colour, name=f"{name}, published")
    if reference and table[reference].notna().any():
        _add_diamonds(figure, [None], [None], _NEUTRAL, name="published", showlegend=True)
    figure.update_layout(height=140 + 22 * max(8, len(names)), margin={"t": 60, "b": 60})
    figure.update_xaxes(title=x.replace("_", " "))
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=names[::-1],
        automargin=True,
        range=[-0.7, len(names) - 0.3],
    )
    return figure


def frontier_figure(
    table: pd.DataFrame,
    x: str,
    y: str,
    label: str,
    series: str,
    title: str,
    x_title: str,
    y_title: str,
) -> go.Figure:
    """Draw speed against accuracy; the points of a series are joined from the smallest coreset to the largest.

    Args:
        table: One row per point.
        x: Column of the speed, such as images per second, on a logarithmic axis.
        y: Column of the metric.
        label: Column of the share of the bank in the coreset, in (0, 1], written beside each point in percent.
        series: Column of the lines' names, in the order of the legend.
        title: Title of the figure.
        x_title: Title of the x axis.
        y_title: Title of the y axis.
    """
    if table.empty:
        return nothing_measured(title)
    figure = go.Figure(layout={"title": title, "template": "plotly_white"})
    for name, colour in series_colours(table[series]).items():
        points = table[table[series] == name].sort_values(label)
        figure.add_scatter(
            x=points[x],
            y=points[y],
            text=[f"{100 * share:g} %" for share in points[label]],
            textposition="top right",
            mode="lines+markers+text",
            name=name,
            line={"color": colour, "width": 1.5},
            marker={"size": 9},
            cliponaxis=False,
        )
    figure.update_xaxes(title=x_title, **log_axis(table[x]))
    figure.update_yaxes(title=y_title)
    return figure


def nothing_measured(title: str) -> go.Figure:
    """Create a figure with a note, as a placeholder for a figure without points."""
    figure = go.Figure(layout={"title": title, "template": "plotly_white"})
    figure.add_annotation(text="nothing was measured", showarrow=False, font_size=16)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def series_colours(names: pd.Series) -> dict[str, str]:
    """Assign a colour to each name, in the order of appearance."""
    return dict(zip(names.unique(), cycle(_COLOURS), strict=False))


def _faint(colour: str) -> str:
    red, green, blue = hex_to_rgb(colour)
    return f"rgba({red}, {green}, {blue}, 0.25)"


def log_axis(values: pd.Series) -> dict[str, Any]:
    """Configure a logarithmic axis with labels at 1, 2 and 5 of each decade; by default Plotly labels 20 as 2."""
    decades = range(int(np.floor(np.log10(values.min()))), int(np.ceil(np.log10(values.max()))) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _add_diamonds(
    figure: go.Figure, x: Any, y: Any, colour: str, *, showlegend: bool = False, **about: Any
) -> None:
    marker = {"symbol": "diamond-open", "color": colour, "size": 9, "line_width": 2}
    figure.add_scatter(x=x, y=y, mode="markers", marker=marker, showlegend=showlegend, **about)


def _add_legend(figure: go.Figure, colours: dict[str, str], unjoined: Sequence[str]) -> None:
    """Add a legend entry for each series, even if the first panel lacks it; a click hides it in all panels."""
    for name, colour in colours.items():
        style = {**_style(name in unjoined), "line": {"color": colour, "width": 2}}
        figure.add_scatter(x=[None], y=[None], name=name, legendgroup=name, **style)


def _style(is_unjoined: bool) -> dict[str, Any]:
    if is_unjoined:
        return {"mode": "markers", "marker": {"size": 10, "symbol": "diamond-open"}}
    return {"mode": "lines+markers", "marker": {"size": 6}}


def _add_band(
    figure: go.Figure, x: pd.Series, low: pd.Series, high: pd.Series, colour: str, place: dict
) -> None:
    """Draw the area between two lines, as a closed outline along the upper line and back along the lower one."""
    figure.add_scatter(
        x=[*x, *x[::-1]],
        y=[*high, *low[::-1]],
        mode="lines",
        line_width=0,
        fill="toself",
        fillcolor=_faint(colour),
        hoverinfo="skip",
        showlegend=False,
        **place,
    )


def ranking_figure(table: pd.DataFrame, x: str, y: str, series: str, title: str) -> go.Figure:
    """Draw a metric as a grid of numbers: one row per method, the best mean on top, one column per category.

    Args:
        table: One row per method and category.
        x: Column of the categories.
        y: Column of the metric, in [0, 1]; shown in percent.
        series: Column of the methods' names.
        title: Title of the figure.
    """
    if table.empty:
        return nothing_measured(title)
    grid = 100 * table.pivot_table(index=series, columns=x, values=y, sort=False)
    grid.insert(0, "mean", grid.mean(axis=1))
    grid = grid.sort_values("mean", kind="stable")  # plotly draws the first row at the bottom
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(),
            x=grid.columns,
            y=grid.index,
            colorscale="Viridis",
            texttemplate="%{z:.1f}",
            colorbar={"title": "%"},
        )
    )
    figure.update_layout(title=title, height=140 + 22 * len(grid), margin={"l": 20, "r": 20})
    figure.update_yaxes(automargin=True)
    figure.update_xaxes(side="top")
    return figure
