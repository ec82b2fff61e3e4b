"""Plotly figure of stored runs side by side."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reb_pipeline.core.text_lists import from_text

_PANELS = {
    "image_auroc": "image AUROC",
    "recall_share": "defects found at the threshold",
    "false_alarm_share": "false alarms at the threshold",
}
_SIGNIFICANT = 0.05
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # of Okabe and Ito


def runs_figure(table: pd.DataFrame) -> go.Figure:
    """Draw metrics of each category and detector over the runs, the oldest at the left.

    A filled mark is a run whose image AUROC differs from that of the run before it with p < 5 %; the text of a mark
    says what changed.

    Args:
        table: Table of :func:`reb_pipeline.tracking.comparison.compare_runs`.

    Returns:
        The figure; panels of what no run measured are left out.
    """
    panels = [name for name in _PANELS if name in table and table[name].notna().any()]
    figure = make_subplots(
        rows=max(1, len(panels)),
        shared_xaxes=True,
        vertical_spacing=0.08,
        subplot_titles=[_PANELS[name] for name in panels],
    )
    groups = table.groupby(["category", "detector"], sort=False)
    for number, ((category, detector), rows) in enumerate(groups):
        colour = _COLOURS[number % len(_COLOURS)]
        name = f"{category}, {str(detector).replace('_', ' ')}"
        filled = rows["p_value"] < _SIGNIFICANT
        for panel, metric in enumerate(panels, start=1):
            figure.add_scatter(
                x=rows["run_id"],
                y=rows[metric],
                row=panel,
                col=1,
                name=name,
                legendgroup=name,
                showlegend=panel == 1,
                mode="lines+markers",
                line={"color": colour},
                marker={
                    "size": 10,
                    "color": [colour if one else "white" for one in filled],
                    "line": {"width": 2, "color": colour},
                },
                customdata=[_text(row) for row in rows.to_dict("records")],
                hovertemplate="%{y:.2%}<br>%{customdata}",
            )
    figure.update_layout(
        title="Runs side by side; filled: image AUROC differs from the run before, p < 5 %",
        template="plotly_white",
        width=max(720, 260 + 90 * table["run_id"].nunique()),
        height=140 + 240 * max(1, len(panels)),
        legend={"y": 1, "yanchor": "top"},
    )
    figure.update_yaxes(tickformat=".0%")
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=sorted(table["run_id"].unique())
    )
    return figure


def _text(row: Mapping[Any, Any]) -> str:
    return "<br>".join(from_text(row["changed"]))
