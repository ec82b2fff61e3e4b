"""Nodes of the drift pipeline."""

import logging
from collections.abc import Callable
from typing import Any

import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.parameters.sections import DriftParams

logger = logging.getLogger(__name__)


def report_drift(
    inspection_history: dict[str, Callable[[], pd.DataFrame]],
    calibration: Calibration,
    params: DriftParams,
) -> tuple[dict[str, Any], Any]:
    """Compare recently inspected parts with the calibration, and draw them over time."""
    import numpy as np

    from reb_pipeline.calibration.drift import drift_report
    from reb_pipeline.core.text_lists import from_text
    from reb_pipeline.figures.drift import drift_figure
    from reb_pipeline.pipelines.drift.history import latest_parts

    parts = latest_parts(inspection_history, calibration, params.last)
    scores = parts["image_score"].to_numpy(np.float64)
    times = parts["time"].tolist()
    features = np.array([from_text(text) for text in parts["mean_features"]], np.float32)
    report = drift_report(calibration, scores, features, times, params.window)
    say = logger.info if report["verdict"] == "fine" else logger.warning
    say(
        "Drift of the last %d parts: %s. %s",
        len(parts),
        report["verdict"],
        " ".join(report["reasons"]),
    )
    title = f"The last {len(parts)} parts: {report['verdict']}"
    return report, drift_figure(report, calibration, scores, times, title)
