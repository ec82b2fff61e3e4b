"""Plotly figure of metrics across categories."""

import pandas as pd
import plotly.graph_objects as go

# Named as reb_pipeline.metrics names them, in the order of the bars.
_METRICS = {
    "image_auroc": ("image AUROC", "#0072B2"),
    "pixel_auroc": ("pixel AUROC", "#E69F00"),
    "au_pro": ("AU-PRO", "#009E73"),
    "au_spro": ("AU-sPRO", "#CC79A7"),
}


def summary_figure(summary: pd.DataFrame) -> go.Figure:
    """Bars of the metrics by category.

    Args:
        summary: one row a category: ``category`` str and any of ``image_auroc``, ``pixel_auroc``,
            ``au_pro`` and ``au_spro``, each in [0, 1] or NaN where it could not be measured.
            Metrics without any value get no bars.

    Returns:
        The figure, wide enough for the bars' values to be read.
    """
    figure = go.Figure()
    for metric, (name, colour) in _METRICS.items():
        if metric not in summary or summary[metric].isna().all():
            continue
        figure.add_bar(
            x=summary["category"],
            y=summary[metric],
            name=name,
            marker_color=colour,
            texttemplate="%{y:.3f}",
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
    figure.update_yaxes(range=[0, 1])
    return figure
