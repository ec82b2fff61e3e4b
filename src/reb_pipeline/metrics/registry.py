"""All metrics by name, in the order of reports, tables and figures."""

from typing import Any

from reb_pipeline.metrics.image import IMAGE_METRICS
from reb_pipeline.metrics.metric import Metric
from reb_pipeline.metrics.pixel import PIXEL_METRICS, SATURATED_METRICS

METRICS: dict[str, Metric] = {**IMAGE_METRICS, **PIXEL_METRICS, **SATURATED_METRICS}
HEADLINES = [name for name, metric in METRICS.items() if metric.headline]

STRUCTURAL, LOGICAL = "structural_anomalies", "logical_anomalies"  # the defect types of MVTec LOCO
# Image AUROCs of MVTec LOCO -> path of each in the report.
LOCO_METRICS = {
    "image_auroc_structural": ("per_defect_type", STRUCTURAL),
    "image_auroc_logical": ("per_defect_type", LOGICAL),
    "image_auroc_loco_mean": ("structural_logical_mean",),
}


def measured_metrics(report: dict[str, Any]) -> dict[str, float]:
    """List the metrics over all defects that a report has, in the order of :data:`METRICS`.

    Args:
        report: Report of :func:`reb_pipeline.metrics.report.evaluate`.

    Example:
        >>> from reb_pipeline.metrics.registry import measured_metrics
        >>> measured_metrics({"image_ap": 0.9, "image_auroc": 0.8, "pixel_auroc": None})
        {'image_auroc': 0.8, 'image_ap': 0.9}
    """
    return {name: report[name] for name in METRICS if report.get(name) is not None}


def loco_metrics(report: dict[str, Any]) -> dict[str, float | None]:
    """List the image AUROCs of MVTec LOCO in a report; empty for other data sets."""
    if "structural_logical_mean" not in report:
        return {}
    found = {}
    for name, path in LOCO_METRICS.items():
        part = report
        for key in path:
            part = part[key]
        found[name] = part["image_auroc"]
    return found
