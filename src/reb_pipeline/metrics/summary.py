"""Table of the metrics of several categories."""

from typing import Any

import pandas as pd

from reb_pipeline.metrics.registry import LOCO_METRICS, METRICS, loco_metrics, measured_metrics


def summary_table(reports: list[dict[str, Any]], textures: list[str]) -> pd.DataFrame:
    """Build a table from reports of :func:`reb_pipeline.metrics.report.evaluate`.

    Args:
        reports: One report per category.
        textures: Names of the categories that are textures; the others are objects.

    Returns:
        One row per category, followed by unweighted means: over textures and over objects if there are both, and over
        all. Columns: category, good_images, anomalous_images, the metrics that at least one category has, note.
    """
    table = pd.DataFrame([_row(report) for report in reports])
    metrics = [
        name for name in [*METRICS, *LOCO_METRICS] if name in table and table[name].notna().any()
    ]
    is_texture = table["category"].isin(textures)
    groups = {"mean of textures": table[is_texture], "mean of objects": table[~is_texture]}
    if is_texture.all() or not is_texture.any():
        groups = {}
    if len(table) > 1:
        groups["mean"] = table
    means = [_mean_row(name, group, metrics) for name, group in groups.items()]
    columns = ["category", "good_images", "anomalous_images", *metrics, "note"]
    return pd.concat([table, pd.DataFrame(means)], ignore_index=True)[columns]


def _row(report: dict[str, Any]) -> dict[str, Any]:
    row = {name: report[name] for name in ("category", "good_images", "anomalous_images")}
    row |= measured_metrics(report) | loco_metrics(report)
    row["note"] = "" if report["has_masks"] else "no masks: image metrics only"
    return row


def _mean_row(name: str, group: pd.DataFrame, metrics: list[str]) -> dict[str, Any]:
    partial = group[metrics].isna().any(axis=None)
    return {
        "category": name,
        "good_images": group["good_images"].sum(),
        "anomalous_images": group["anomalous_images"].sum(),
        **{name: group[name].mean() for name in metrics},
        "note": "over the categories that have the metric" if partial else "",
    }


def render_table(table: pd.DataFrame) -> str:
    """Format the table as text, metrics in percent.

    Args:
        table: Table of :func:`summary_table`.

    Example:
        >>> from reb_pipeline.metrics.summary import render_table, summary_table
        >>> report = {"good_images": 20, "anomalous_images": 80, "has_masks": True}
        >>> reports = [
        ...     {"category": "screw", **report, "image_auroc": 0.98},
        ...     {"category": "wood", **report, "image_auroc": 0.99},
        ... ]
        >>> print(render_table(summary_table(reports, textures=[])))
        category  good_images  anomalous_images image_auroc
           screw           20                80       98.00
            wood           20                80       99.00
            mean           40               160       98.50
    """
    shown = table.drop(columns="note") if (table["note"] == "").all() else table
    numbers = shown.select_dtypes("float").columns
    return shown.to_string(index=False, formatters=dict.fromkeys(numbers, _percent), na_rep="–")


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"
