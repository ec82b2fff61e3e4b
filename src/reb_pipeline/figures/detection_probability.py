"""Plotly figure of the probability of detection over the size of defects."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from reb_pipeline.figures.curves import DEFECT_COLOURS, GOOD_COLOUR
from reb_pipeline.metrics.detection_probability import SHARE


def detection_figure(report: Mapping[str, Any], title: str) -> go.Figure:
    """Draw the curve of each kind and contrast with its bounds, and a90/95 as a point.

    Args:
        report: Report of :func:`reb_pipeline.metrics.detection_probability.detection_report`.
        title: Title of the figure.
    """
    figure = go.Figure(
        layout={"title": title, "template": "plotly_white", "width": 960, "height": 560}
    )
    colours = cycle([GOOD_COLOUR, *DEFECT_COLOURS])
    for curve, colour in zip(report["curves"], colours, strict=False):
        _add_curve(figure, curve, colour, report["unit"])
    figure.add_hline(y=SHARE, line={"color": "grey", "dash": "dot"})
    figure.update_xaxes(title=f"longest extent of the defect, {report['unit']}", type="log")
    figure.update_yaxes(title="share found", range=[0, 1.02], tickformat=".0%")
    return figure


def _add_curve(figure: go.Figure, curve: Mapping[str, Any], colour: str, unit: str) -> None:
    points = curve["points"]
    name = f"{curve['kind']}, {curve['contrast']:g} grey levels"
    group = {"legendgroup": name}
    if not points:
        note = f"{name}: {curve['found']} of {curve['draws']} found"
        figure.add_scatter(x=[None], y=[None], name=note, line={"color": colour}, **group)
        return
    sizes = [point["size"] for point in points]
    red, green, blue = hex_to_rgb(colour)
    figure.add_scatter(
        x=[*sizes, *reversed(sizes)],
        y=[*(point["high"] for point in points), *(point["low"] for point in reversed(points))],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.12)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        **group,
    )
    bounded = curve["a90_95"]
    figure.add_scatter(
        x=sizes,
        y=[point["share"] for point in points],
        mode="lines",
        name=name if bounded is None else f"{name}: a90/95 {bounded:.3g} {unit}",
        line={"color": colour, "width": 3},
        hovertemplate=f"%{{x:.3g}} {unit}: %{{y:.0%}}",
        **group,
    )
    if bounded is not None:
        figure.add_scatter(
            x=[bounded],
            y=[SHARE],
            mode="markers",
            marker={"color": colour, "size": 11},
            hovertemplate=f"a90/95 {bounded:.3g} {unit}",
            showlegend=False,
            **group,
        )
