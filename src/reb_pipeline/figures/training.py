"""Plotly figures of a training: loss by update, and accuracy of a fine-tuning."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reb_pipeline.figures.curves import GOOD_COLOUR

# Both are visible on Kedro-Viz's dark page too.
_TRAINING_COLOUR, _VALIDATION_COLOUR = "#999999", "#FF2D55"
# Okabe and Ito's palette; Paul Tol's wine replaces the yellow, which is too faint for thin lines.
_CLASS_COLOURS = (GOOD_COLOUR, "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#882255")
_Panels = tuple[tuple[str, str], ...]  # measure and its format
_PANELS: _Panels = (("loss", "%{y:.4g}"), ("accuracy", "%{y:.1%}"))
_OFF = "Fine-tuning is off for this category: its backbone keeps the weights it started from."


def training_figure(history: Mapping[str, Any], title: str) -> go.Figure:
    """Draw loss and accuracy of training and validation, and the accuracy of every class.

    Args:
        history: ``updates``: for each update a mapping with ``update`` (counted from 1), ``loss``, ``accuracy`` in [0,
        1]
            and ``learning_rate``. ``validations``: for each validation a mapping with ``update``, ``loss``,
            ``accuracy`` and ``class_accuracy``, a list by label. ``classes``: names by label.
        title: Title of the figure.

    Returns:
        The figure, as large as the page allows; a note if there are no updates.
    """
    if not history["updates"]:
        return _sentence(_OFF, title)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    # In this order, so that the bold line of the validation is drawn above the others.
    _add_training(figure, history["updates"])
    _add_classes(figure, history["validations"], history["classes"])
    _add_validation(figure, history["validations"])
    figure.update_layout(
        title=title,
        template="plotly_white",
        margin={"t": 60, "r": 20},
        legend={"y": 1, "yanchor": "top"},
        legend2={"y": 0.47, "yanchor": "top", "title": "validation by class"},
    )
    figure.update_yaxes(title="loss (nats)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(
        title="accuracy (% of images)", tickformat=".0%", range=[-0.02, 1.02], row=2, col=1
    )
    figure.update_xaxes(title="updates (optimiser steps)", row=2, col=1)
    return figure


def loss_figure(history: Mapping[str, Any], title: str) -> go.Figure:
    """Draw the loss of training and validation.

    Args:
        history: As in :func:`training_figure`, without accuracies and classes.
        title: Title of the figure.
    """
    figure = make_subplots()
    panels = _PANELS[:1]
    _add_training(figure, history["updates"], panels)
    _add_validation(figure, history["validations"], panels)
    figure.update_layout(title=title, template="plotly_white", margin={"t": 60, "r": 20})
    figure.update_yaxes(title="loss", rangemode="tozero")
    figure.update_xaxes(title="updates (optimiser steps)")
    return figure


def _add_training(
    figure: go.Figure, updates: Sequence[Mapping[str, float]], panels: _Panels = _PANELS
) -> None:
    """Draw thin lines in one legend group: a click hides or shows them in all panels."""
    for row, (measure, value) in enumerate(panels, start=1):
        figure.add_scatter(
            x=[update["update"] for update in updates],
            y=[update[measure] for update in updates],
            customdata=[update["learning_rate"] for update in updates],
            mode="lines",
            name="training",
            legendgroup="training",
            showlegend=row == 1,
            line={"color": _TRAINING_COLOUR, "width": 1.5},
            hovertemplate=f"update %{{x}}: {value}<br>learning rate %{{customdata:.3g}}",
            row=row,
            col=1,
        )


def _add_validation(
    figure: go.Figure, validations: Sequence[Mapping[str, Any]], panels: _Panels = _PANELS
) -> None:
    """Draw bold lines with a marker per validation, in one legend group."""
    for row, (measure, value) in enumerate(panels, start=1):
        figure.add_scatter(
            x=[validation["update"] for validation in validations],
            y=[validation[measure] for validation in validations],
            mode="lines+markers",
            name="validation",
            legendgroup="validation",
            showlegend=row == 1,
            line={"color": _VALIDATION_COLOUR, "width": 3},
            marker={"size": 8},
            hovertemplate=f"update %{{x}}: {value}",
            row=row,
            col=1,
        )


def _add_classes(
    figure: go.Figure, validations: Sequence[Mapping[str, Any]], classes: Sequence[str]
) -> None:
    """Draw thin lines in the lower panel, with a separate legend beside it."""
    for label, (name, colour) in enumerate(zip(classes, cycle(_CLASS_COLOURS), strict=False)):
        figure.add_scatter(
            x=[validation["update"] for validation in validations],
            y=[validation["class_accuracy"][label] for validation in validations],
            mode="lines+markers",  # a single validation has no line
            name=name,
            legend="legend2",
            line={"color": colour, "width": 1.5},
            marker={"size": 4},
            hovertemplate="update %{x}: %{y:.1%}",
            row=2,
            col=1,
        )


def _sentence(text: str, title: str) -> go.Figure:
    figure = go.Figure(layout={"title": title, "template": "plotly_white"})
    figure.add_annotation(
        text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font_size=16
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure
