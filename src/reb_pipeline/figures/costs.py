"""Plotly figure of the expected cost over the false-alarm rate."""

from collections.abc import Mapping

import plotly.graph_objects as go

from reb_pipeline.calibration.costs import Cost, CostCurve
from reb_pipeline.figures.curves import DOUBTFUL_COLOUR, GOOD_COLOUR

POINT_COLOURS = ("#D55E00", "#CC79A7")  # of Okabe and Ito, beside those of the curves


def cost_figure(
    curves: Mapping[str, CostCurve], points: Mapping[str, Cost], title: str
) -> go.Figure:
    """Draw the lowest expected cost of each false-alarm rate, and given thresholds with their intervals.

    Args:
        curves: Curves by their names, one with and one without doubtful parts.
        points: Costs of given thresholds by their names.
        title: Title of the figure.
    """
    figure = go.Figure(
        layout={"title": title, "template": "plotly_white", "width": 960, "height": 560}
    )
    for (name, curve), colour in zip(curves.items(), (GOOD_COLOUR, DOUBTFUL_COLOUR), strict=False):
        figure.add_scatter(
            x=curve.rates, y=curve.costs, mode="lines+markers", name=name, line={"color": colour}
        )
    for (name, cost), colour in zip(points.items(), POINT_COLOURS, strict=False):
        figure.add_scatter(
            x=[cost.false_alarms],
            y=[cost.expected],
            error_y={
                "array": [cost.high - cost.expected],
                "arrayminus": [cost.expected - cost.low],
            },
            mode="markers",
            name=f"{name}: {cost.expected:.3g} ({cost.low:.3g} to {cost.high:.3g})",
            marker={"color": colour, "size": 12},
        )
    ticks = [digit * 10.0**power for power in range(-4, 1) for digit in (1, 2, 5)]
    figure.update_xaxes(
        title="share of good parts called defective", type="log", tickvals=ticks, tickformat=".1~%"
    )
    figure.update_yaxes(title="expected cost of a part", type="log")
    return figure
