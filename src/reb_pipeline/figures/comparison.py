"""Plotly figure of the image scores of two detectors on the same images."""

from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from reb_pipeline.figures.curves import DEFECT_COLOURS, GOOD_COLOUR
from reb_pipeline.metrics.image import image_metrics

_REACH = 0.95  # share of good images below the dotted lines
_LINE_COLOUR = "#999999"  # visible on Kedro-Viz's dark page too


def comparison_figure(scores: pd.DataFrame, names: tuple[str, str], title: str) -> go.Figure:
    """Draw one point per image: its score by one detector over its score by another.

    Images above the horizontal and left of the vertical line are found only by the second detector; images in the
    opposite corner only by the first. A fusion of both detectors can gain at most these images.

    Args:
        scores: One row per image: ``id``, ``label`` 0 or 1, ``defect_type``, ``image_score`` of the fusion, and a
            column of image scores of each detector.
        names: Names of these two columns; underscores are shown as spaces.
        title: Title of the figure, followed by the image AUROC of the fusion.
    """
    defects = sorted(scores.loc[scores["label"] == 1, "defect_type"].unique())
    is_good = scores["label"] == 0
    kinds = [("good", is_good, GOOD_COLOUR)] + [
        (defect, ~is_good & (scores["defect_type"] == defect), colour)
        for defect, colour in zip(defects, cycle(DEFECT_COLOURS), strict=False)
    ]
    figure = go.Figure()
    for name, chosen, colour in kinds:
        rows = scores[chosen]
        figure.add_scatter(
            x=rows[names[0]],
            y=rows[names[1]],
            mode="markers",
            name=f"{name} ({len(rows)})",
            marker={"color": colour, "size": 7, "opacity": 0.7},
            customdata=rows[["id", "image_score"]],
            hovertemplate="%{customdata[0]}<br>%{x:.4g}, %{y:.4g}<br>together %{customdata[1]:.4g}",
        )
    if is_good.any():
        x, y = (scores.loc[is_good, name].quantile(_REACH) for name in names)
        line = {"color": _LINE_COLOUR, "dash": "dot"}
        figure.add_vline(x, line=line)
        figure.add_hline(
            y, line=line, annotation_text=f"{_REACH:.0%} of good images score below each line"
        )
    figure.update_layout(
        title=f"{title}, together: {_auroc(scores, 'image_score')}",
        template="plotly_white",
        width=820,
        height=640,
    )
    figure.update_xaxes(title=_axis(scores, names[0]))
    figure.update_yaxes(title=_axis(scores, names[1]))
    return figure


def _axis(scores: pd.DataFrame, name: str) -> str:
    return f"image score of the {name.replace('_', ' ')} ({_auroc(scores, name)})"


def _auroc(scores: pd.DataFrame, name: str) -> str:
    auroc = image_metrics(scores["label"], scores[name])["image_auroc"]
    return "one class only" if auroc is None else f"image AUROC {100 * auroc:.2f} %"
