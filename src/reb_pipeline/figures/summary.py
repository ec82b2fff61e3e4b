"""Plotly figure of metrics by category."""

from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from reb_pipeline.metrics.registry import HEADLINES, METRICS

# Colours of the headline metrics in their order: Okabe and Ito's colour-blind-safe palette.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")


def summary_figure(summary: pd.DataFrame) -> go.Figure:
    """Draw bars of the metrics of each category.

    Args:
        summary: One row per category: ``category`` str and any of the headline metrics
            (:data:`reb_pipeline.metrics.registry.HEADLINES`), each in [0, 1], or NaN if it could not be measured.
            Metrics without any value have no bars.

    Returns:
        The figure, wide enough to read the values of the bars.
    """
    figure = go.Figure()
    for metric, colour in zip(HEADLINES, cycle(_COLOURS), strict=False):
        if metric not in summary or summary[metric].isna().all():
            continue
        figure.add_bar(
            x=summary["category"],
            y=summary[metric],
            name=METRICS[metric].title,
            marker_color=colour,
            texttemplate="%{y:.2%}",
            textposition="inside",
            insidetextanchor="end",
            textangle=-90,
        )
    bars = len(summary) * len(figure.data)
    figure.update_layout(
        title="Metrics by category",
        template="plotly_white",
        barmode="group",
        width=max(560, 200 + 30 * bars),
        height=480,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    return figure
