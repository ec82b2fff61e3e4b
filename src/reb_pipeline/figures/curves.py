"""Plotly figures of image scores: ROC curve and score histogram."""

from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots
from sklearn.metrics import roc_curve

from reb_pipeline.metrics.image import image_metrics

# Okabe and Ito's colour-blind-safe palette (https://jfly.uni-koeln.de/color/); good images are always blue.
GOOD_COLOUR = "#0072B2"
DOUBTFUL_COLOUR = "#E69F00"
DEFECT_COLOURS = ("#D55E00", "#E69F00", "#009E73", "#CC79A7", "#000000", "#F0E442", "#56B4E9")
_BINS = 40


def roc_figure(
    labels: ArrayLike, scores: ArrayLike, title: str, threshold: float | None = None
) -> go.Figure:
    """Draw the ROC curve, with the AUROC in percent in the legend, and the point of a threshold.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.
        title: Title of the figure.
        threshold: Highest score that is not flagged; None draws no point.

    Returns:
        The figure; a note replaces the curve if only one class is present.

    Raises:
        ValueError: See :func:`reb_pipeline.metrics.image.image_metrics`.

    Example:
        >>> from reb_pipeline.figures.curves import roc_figure
        >>> figure = roc_figure(labels=[0, 0, 1, 1], scores=[0.1, 0.4, 0.3, 0.9], title="screw")
        >>> figure.data[0].name
        'AUROC 75.00 %'
    """
    auroc = image_metrics(labels, scores)["image_auroc"]
    figure = go.Figure(
        layout={
            "title": title,
            "template": "plotly_white",
            "width": 560,
            "height": 560,
            "legend": {"x": 0.98, "y": 0.03, "xanchor": "right", "yanchor": "bottom"},
        }
    )
    if auroc is None:
        figure.add_annotation(
            text="only one class: no ROC curve", x=0.5, y=0.5, showarrow=False, bgcolor="white"
        )
    else:
        fpr, tpr, thresholds = roc_curve(labels, scores)
        figure.add_scatter(
            x=fpr,
            y=tpr,
            mode="lines",
            name=f"AUROC {100 * auroc:.2f} %",
            line={"color": GOOD_COLOUR, "width": 3},
            customdata=thresholds,
            hovertemplate="threshold %{customdata:.4g}<br>FPR %{x:.1%}, TPR %{y:.1%}",
        )
        if threshold is not None:
            labels, flagged = np.asarray(labels), ~(np.asarray(scores) <= threshold)
            alarms, found = (float(flagged[labels == label].mean()) for label in (0, 1))
            figure.add_scatter(
                x=[alarms],
                y=[found],
                mode="markers",
                name=f"calibrated threshold: {found:.1%} found, {alarms:.1%} false alarms",
                marker={"color": DEFECT_COLOURS[0], "size": 11},
                hovertemplate=f"threshold {threshold:.4g}<br>FPR %{{x:.1%}}, TPR %{{y:.1%}}",
            )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="chance", line={"color": "grey", "dash": "dot"}
    )
    percent = {"range": [-0.01, 1.01], "tickformat": ".0%"}
    figure.update_xaxes(title="false positive rate", constrain="domain", **percent)
    figure.update_yaxes(title="true positive rate", scaleanchor="x", **percent)
    return figure


def score_histogram(scores: pd.DataFrame, title: str, threshold: float | None = None) -> go.Figure:
    """Draw overlaid histograms of the scores of good images and of each defect type, above a rug plot.

    Args:
        scores: One row per image: ``image_score`` float, ``label`` 0 or 1, ``defect_type`` str.
        title: Title of the figure.
        threshold: Highest score that is not flagged, drawn as a line; None draws none.
    """
    defects = sorted(scores.loc[scores["label"] == 1, "defect_type"].unique())
    kinds = [("good", scores["label"] == 0, GOOD_COLOUR)] + [
        (defect, (scores["label"] == 1) & (scores["defect_type"] == defect), colour)
        for defect, colour in zip(defects, cycle(DEFECT_COLOURS), strict=False)
    ]
    # The same bins for every kind, so that heights can be compared.
    edges = np.histogram_bin_edges(scores["image_score"].astype(np.float64), bins=_BINS)
    bins = {"start": edges[0], "end": edges[-1] + edges[1] - edges[0], "size": edges[1] - edges[0]}
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[0.7, 0.3],
    )
    for name, chosen, colour in kinds:
        values = scores.loc[chosen, "image_score"]
        figure.add_histogram(
            x=values,
            xbins=bins,
            name=f"{name} ({len(values)})",
            marker_color=colour,
            opacity=0.6,
            legendgroup=name,
            row=1,
            col=1,
        )
        figure.add_scatter(
            x=values,
            y=[name] * len(values),
            mode="markers",
            marker={"symbol": "line-ns-open", "color": colour, "size": 10},
            legendgroup=name,
            showlegend=False,
            row=2,
            col=1,
        )
    if threshold is not None:
        # In the upper panel only, where there is space for the words.
        figure.add_vline(
            threshold,
            line={"color": "grey", "dash": "dot"},
            annotation_text="threshold",
            row=1,
            col=1,
        )
    figure.update_layout(
        title=title, barmode="overlay", template="plotly_white", width=900, height=560
    )
    figure.update_yaxes(title="images", row=1, col=1)
    figure.update_yaxes(autorange="reversed", type="category", row=2, col=1)
    figure.update_xaxes(title="image score (higher = more anomalous)", row=2, col=1)
    return figure
