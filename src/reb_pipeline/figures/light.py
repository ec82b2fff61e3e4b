"""Plotly figure of the study of light."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reb_pipeline.figures.studies import nothing_measured, series_colours
from reb_pipeline.images.light import CHANGES

TITLE = "Other light, focus and place"
METRICS = {"image_auroc": "image AUROC, %", "flagged": "good parts flagged, %"}


def light_figure(table: pd.DataFrame, series: str) -> go.Figure:
    """Draw a panel for each metric and change: the metric over the level, one line for each series.

    Args:
        table: One row for each series and step, with the columns ``change`` and ``level``, and the metrics in [0, 1].
        series: Column of the lines' names.
    """
    if table.empty:
        return nothing_measured(TITLE)
    figure = make_subplots(
        rows=len(METRICS),
        cols=len(CHANGES),
        shared_xaxes="columns",
        shared_yaxes="rows",
        column_titles=list(CHANGES),
        horizontal_spacing=0.02,
        vertical_spacing=0.06,
    )
    for name, colour in series_colours(table[series]).items():
        own = table[table[series] == name]
        for column, (change, steps) in enumerate(CHANGES.items(), 1):
            unchanged = own[~own["change"].isin(CHANGES)].assign(level=steps.unchanged)
            line = pd.concat([own[own["change"] == change], unchanged]).sort_values("level")
            for row, metric in enumerate(METRICS, 1):
                figure.add_scatter(
                    x=line["level"],
                    y=100 * line[metric],
                    name=name,
                    legendgroup=name,
                    showlegend=row == column == 1,
                    line={"color": colour, "width": 2},
                    mode="lines+markers",
                    row=row,
                    col=column,
                )
    for row, title in enumerate(METRICS.values(), 1):
        figure.update_yaxes(title=title, row=row, col=1)
    figure.update_layout(title=TITLE, template="plotly_white", height=560)
    return figure
