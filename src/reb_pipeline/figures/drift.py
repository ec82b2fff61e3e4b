"""Plotly figure of drift: scores of inspected parts over time, and their difference from the calibration."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reb_pipeline.calibration.drift import LARGE_PSI, SMALL_PSI
from reb_pipeline.calibration.verdicts import DOUBTFUL, UNDECIDED, above, can_flag
from reb_pipeline.figures.curves import DOUBTFUL_COLOUR, GOOD_COLOUR

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration

# Okabe and Ito's palette, as in figures.curves; the other colours are visible on Kedro-Viz's dark page too.
_FLAGGED_COLOUR, _KS_COLOUR, _SHIFT_COLOUR = "#D55E00", "#CC79A7", "#009E73"
_THRESHOLD_COLOUR, _BAND_COLOUR = "#FF2D55", "#999999"
_BAND = (0.05, 0.95)  # quantiles of the calibration scores


def drift_figure(
    report: Mapping[str, Any],
    calibration: "Calibration",
    image_scores: np.ndarray,
    times: Sequence[str],
    title: str,
) -> go.Figure:
    """Draw scores with the threshold and the middle 90 % of the calibration, and statistics of each window below.

    The statistics are PSI, KS and shift of features.

    Args:
        report: Report of :func:`reb_pipeline.calibration.drift.drift_report`.
        calibration: The calibration.
        image_scores: Floats [parts], as for the report.
        times: Time of inspection of each part.
        title: Title of the figure.

    Returns:
        The figure. Parts are numbered from 1 in the order of inspection; hovering shows their times.
    """
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.5, 0.25, 0.25]
    )
    _add_scores(figure, calibration, np.asarray(image_scores), times)
    _add_windows(figure, report["windows"])
    figure.update_layout(
        title=title, template="plotly_white", margin={"t": 60, "r": 20}, legend={"y": 1}
    )
    figure.update_yaxes(title="image score", row=1, col=1)
    figure.update_yaxes(title="PSI, KS", rangemode="tozero", row=2, col=1)
    figure.update_yaxes(title="shift", rangemode="tozero", row=3, col=1)
    figure.update_xaxes(title="part, in the order of inspection", row=3, col=1)
    return figure


def _add_scores(
    figure: go.Figure, calibration: "Calibration", scores: np.ndarray, times: Sequence[str]
) -> None:
    threshold, lower = calibration.image_threshold, calibration.doubtful_threshold
    numbers, when = np.arange(1, len(scores) + 1), np.asarray(times)
    flagged = above(scores, threshold)
    doubtful = np.zeros_like(flagged) if lower is None else above(scores, lower) & ~flagged
    groups = [
        ("not flagged" if can_flag(threshold) else UNDECIDED, ~flagged & ~doubtful, GOOD_COLOUR),
        ("flagged", flagged, _FLAGGED_COLOUR),
    ]
    if lower is not None:
        groups.insert(1, (DOUBTFUL, doubtful, DOUBTFUL_COLOUR))
    for name, chosen, colour in groups:
        figure.add_scatter(
            x=numbers[chosen],
            y=scores[chosen],
            customdata=when[chosen],
            mode="markers",
            name=f"{name} ({chosen.sum()})",
            marker={"color": colour, "size": 6},
            hovertemplate="part %{x}: %{y:.4g}<br>%{customdata}",
            row=1,
            col=1,
        )
    low, high = np.quantile(calibration.image_scores, _BAND)
    figure.add_hrect(
        y0=low, y1=high, fillcolor=_BAND_COLOUR, opacity=0.25, line_width=0, row=1, col=1,
        name="calibration, middle 90 %", showlegend=True,
    )  # fmt: skip
    if can_flag(threshold):
        figure.add_hline(
            y=threshold, line={"color": _THRESHOLD_COLOUR, "width": 2}, row=1, col=1,
            name="threshold", showlegend=True,
        )  # fmt: skip
    if lower is not None:
        figure.add_hline(
            y=lower, line={"color": DOUBTFUL_COLOUR, "width": 2}, row=1, col=1,
            name="threshold of doubtful parts", showlegend=True,
        )  # fmt: skip


def _add_windows(figure: go.Figure, windows: Sequence[Mapping[str, Any]]) -> None:
    """Draw lines with a marker at the middle of each window that could be compared."""
    compared = [window for window in windows if window["scores"]]
    if not compared:
        return
    middles = [(window["begin"] + window["end"] + 1) / 2 for window in compared]
    spans = [[window["first"], window["last"]] for window in compared]
    lines = (
        ("PSI beyond chance", "scores", _psi_beyond_chance, GOOD_COLOUR, 2),
        ("Kolmogorov-Smirnov", "scores", lambda found: found["ks"], _KS_COLOUR, 2),
        ("shift of features", "features", lambda found: found["shift"], _SHIFT_COLOUR, 3),
        ("shift by chance", "features", lambda found: found["shift_by_chance"], _BAND_COLOUR, 3),
    )
    for name, part, value, colour, row in lines:
        figure.add_scatter(
            x=middles,
            y=[value(window[part]) for window in compared],
            customdata=spans,
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2},
            hovertemplate="%{y:.2f}<br>%{customdata[0]} to<br>%{customdata[1]}",
            row=row,
            col=1,
        )
    for level, dash in ((SMALL_PSI, "dot"), (LARGE_PSI, "dash")):
        line = {"color": GOOD_COLOUR, "width": 1, "dash": dash}
        figure.add_hline(y=level, line=line, row=2, col=1, name=f"PSI {level}", showlegend=True)


def _psi_beyond_chance(found: Mapping[str, float]) -> float:
    return found["psi"] - found["psi_by_chance"]
