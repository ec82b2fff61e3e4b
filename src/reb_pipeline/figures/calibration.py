"""Plotly figure of a calibration: scores of good images and their thresholds."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.calibration.verdicts import can_flag
from reb_pipeline.figures.curves import DOUBTFUL_COLOUR, GOOD_COLOUR

_THRESHOLD_COLOUR = "#D55E00"  # visible on white and on Kedro-Viz's dark page
_BINS = 30


def calibration_figure(calibration: Calibration, title: str) -> go.Figure:
    """Draw histograms of the image scores and of the highest values of anomaly maps, each with its thresholds.

    Args:
        calibration: Scores and thresholds; an infinite threshold has no line and a note in the legend.
        title: Title of the figure.
    """
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    rate = f"{100 * calibration.false_alarm_rate:.3g} %"
    panels = (
        ("image score", calibration.image_scores, calibration.image_threshold),
        ("highest value of the anomaly map", calibration.peak_scores, calibration.pixel_threshold),
    )
    for column, (name, scores, threshold) in enumerate(panels, 1):
        place = {"row": 1, "col": column}
        heights, edges = np.histogram(scores.astype(np.float64), _BINS)  # equal scores, too
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=heights,
            width=np.diff(edges),
            name=calibration.good_units,
            marker_color=GOOD_COLOUR,
            legendgroup="good",
            showlegend=column == 1,
            **place,
        )
        known = can_flag(threshold)
        said = (
            f"{threshold:.4g}, for {rate}"
            if known
            else f"none: {rate} needs more {calibration.units}"
        )
        figure.add_scatter(
            x=[threshold] * 2 if known else [None],
            y=[0, heights.max()] if known else [None],
            mode="lines",
            name=f"threshold of the {'map' if column == 2 else name}: {said}",
            line={
                "color": _THRESHOLD_COLOUR,
                "width": 3,
                "dash": "dot" if column == 2 else "solid",
            },
            **place,
        )
        doubtful = calibration.doubtful_threshold
        if column == 1 and doubtful is not None:
            figure.add_scatter(
                x=[doubtful] * 2,
                y=[0, heights.max()],
                mode="lines",
                name=f"threshold of doubtful parts: {doubtful:.4g}, for {100 * (calibration.doubtful_rate or 0):.3g} %",
                line={"color": DOUBTFUL_COLOUR, "width": 3},
                **place,
            )
        figure.update_xaxes(title=name, **place)
    figure.update_yaxes(title=calibration.good_units, col=1)
    figure.update_layout(
        title=title,
        template="plotly_white",
        bargap=0,
        width=960,
        height=480,
        legend={"orientation": "h", "y": -0.2},
    )
    return figure
