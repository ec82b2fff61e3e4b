"""All metrics by name, in the order of reports, tables and figures."""

from typing import Any

from reb_pipeline.metrics.image import IMAGE_METRICS
from reb_pipeline.metrics.metric import Metric
from reb_pipeline.metrics.pixel import PIXEL_METRICS, SATURATED_METRICS

METRICS: dict[str, Metric] = {**IMAGE_METRICS, **PIXEL_METRICS, **SATURATED_METRICS}
HEADLINES = [name for name, metric in METRICS.items() if metric.headline]

STRUCTURAL, LOGICAL = "structural_anomalies", "logical_anomalies"  # the defect types of MVTec LOCO
_LOCO_PARTS = {
    "structural": ("per_defect_type", STRUCTURAL),
    "logical": ("per_defect_type", LOGICAL),
    "loco_mean": ("structural_logical_mean",),
}
# Metrics of MVTec LOCO, as its authors report them -> (metric, path in the report).
LOCO_METRICS = {
    f"{metric}_{part}": (metric, path)
    for metric in ("image_auroc", "au_spro")
    for part, path in _LOCO_PARTS.items()
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
    """List the metrics of MVTec LOCO by type of anomaly, and their means; empty for other data sets."""
    if "structural_logical_mean" not in report:
        return {}
    found = {}
    for name, (metric, path) in LOCO_METRICS.items():
        part = report
        for key in path:
            part = part[key]
        found[name] = part.get(metric)
    return found
