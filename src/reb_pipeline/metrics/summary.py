"""Table of the metrics of several categories."""

from typing import Any

import pandas as pd

from reb_pipeline.metrics.at_threshold import share_text
from reb_pipeline.metrics.registry import LOCO_METRICS, METRICS, loco_metrics, measured_metrics

# Part of the report at the threshold -> (column of the count, that of all images, beginning of the other columns).
_PARTS = {
    "false_alarms": ("false_alarms", "good_images", "false_alarm"),
    "found": ("found", "anomalous_images", "recall"),
}
_SHARES = ["false_alarm_share", "recall_share"]
_AT_THRESHOLD = [
    *("false_alarm_rate", "threshold"),
    *("false_alarms", "false_alarm_share", "false_alarm_low", "false_alarm_high"),
    *("found", "recall_share", "recall_low", "recall_high", "missed", "missed_by_type"),
]
_TYPES: dict[str, Any] = {
    **dict.fromkeys(["false_alarms", "found", "missed"], "Int64"),
    "missed_by_type": object,
}
NO_THRESHOLD = "no threshold"


def summary_table(reports: list[dict[str, Any]], textures: list[str]) -> pd.DataFrame:
    """Build a table from reports of :func:`reb_pipeline.metrics.report.evaluate`.

    Args:
        reports: One report per category. With ``at_threshold`` (:mod:`reb_pipeline.metrics.at_threshold`) the table
            has what is flagged at the calibrated threshold.
        textures: Names of the categories that are textures; the others are objects.

    Returns:
        One row per category, followed by unweighted means: over textures and over objects if there are both, and over
        all. Columns: category, good_images, anomalous_images, the metrics that at least one category has; if reports
        have them, ``false_alarm_rate`` (asked for), ``threshold``, ``false_alarms`` and ``found`` with their shares and
        intervals, ``missed`` and ``missed_by_type``; note. Where the calibration cannot guarantee its rate these are
        empty, and the note says so.
    """
    table = pd.DataFrame([summary_row(report) for report in reports])
    metrics = [
        name for name in [*METRICS, *LOCO_METRICS] if name in table and table[name].notna().any()
    ]
    at_threshold = _AT_THRESHOLD if "false_alarm_rate" in table else []
    is_texture = table["category"].isin(textures)
    groups = {"mean of textures": table[is_texture], "mean of objects": table[~is_texture]}
    if is_texture.all() or not is_texture.any():
        groups = {}
    if len(table) > 1:
        groups["mean"] = table
    averaged = [*metrics, *(_SHARES if at_threshold else [])]
    means = [_mean_row(name, group, averaged) for name, group in groups.items()]
    columns = ["category", "good_images", "anomalous_images", *metrics, *at_threshold, "note"]
    whole = pd.concat([table, pd.DataFrame(means)], ignore_index=True)[columns]
    if at_threshold:  # also where no category has a value
        whole["missed_by_type"] = whole["missed_by_type"].fillna("")
    return whole.astype({name: _TYPES.get(name, float) for name in at_threshold})


def summary_row(report: dict[str, Any]) -> dict[str, Any]:
    """Make the row of one report in :func:`summary_table`."""
    row = {name: report[name] for name in ("category", "good_images", "anomalous_images")}
    row |= measured_metrics(report) | loco_metrics(report)
    notes = [] if report["has_masks"] else ["no masks: image metrics only"]
    if undecided := report.get("undecided_good", 0) + report.get("undecided_anomalous", 0):
        notes.append(f"{undecided} undecided, not counted")
    if (flagged := report.get("at_threshold")) is not None:
        row |= _flagged(flagged)
        if flagged["threshold"] is None:
            rate, images = 100 * flagged["false_alarm_rate"], flagged["calibration_images"]
            units = flagged.get("units", "images")
            notes.append(
                f"{NO_THRESHOLD}: {images} good {units} cannot guarantee {rate:.3g} % false alarms"
            )
    row["note"] = "; ".join(notes)
    return row


def _flagged(report: dict[str, Any]) -> dict[str, Any]:
    """Make the columns of a report of :func:`reb_pipeline.metrics.at_threshold.at_threshold`."""
    row = {**dict.fromkeys(_AT_THRESHOLD), "false_alarm_rate": report["false_alarm_rate"]}
    row["threshold"] = report["threshold"]
    for part, (count, _, beginning) in _PARTS.items():
        if (flagged := report[part]) is not None:
            row[count] = flagged["flagged"]
            row |= {f"{beginning}_{name}": flagged[name] for name in ("share", "low", "high")}
    if report["found"] is not None:
        row["missed"] = report["found"]["passed"]
        row["missed_by_type"] = ", ".join(
            f"{kind} {flagged['passed']} of {flagged['images']}"
            for kind, flagged in report["per_defect_type"].items()
        )
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
    """Format the table as text, metrics in percent, and below it what is flagged at the calibrated threshold.

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
    shown = table.drop(columns=[name for name in _AT_THRESHOLD if name in table])
    if (table["note"] == "").all():
        shown = shown.drop(columns="note")
    numbers = shown.select_dtypes("float").columns
    text = shown.to_string(index=False, formatters=dict.fromkeys(numbers, _percent), na_rep="–")
    if {"image_f1_max", "pixel_f1_max"} & {*table}:
        text += "\nF1max: at the best threshold, which only the test labels can tell (an oracle)"
    if "false_alarm_rate" in table:
        text += f"\n\nat the calibrated threshold, 95 % intervals\n{_render_flagged(table)}"
    return text


def _render_flagged(table: pd.DataFrame) -> str:
    rows = [
        {
            "category": row["category"],
            "asked for": "" if pd.isna(row["false_alarm_rate"]) else f"{100 * row['false_alarm_rate']:.3g} %",
            "false alarms": _flagged_text(row, "false_alarms"),
            "defects found": _flagged_text(row, "found"),
            "missed": row["missed_by_type"] or "–",
        }
        for row in table.to_dict("records")
    ]  # fmt: skip
    return pd.DataFrame(rows).to_string(index=False)


def _flagged_text(row: dict[Any, Any], part: str) -> str:
    count, images, beginning = _PARTS[part]
    share = {name: row[f"{beginning}_{name}"] for name in ("share", "low", "high")}
    if not pd.isna(row[count]):
        return share_text({"flagged": row[count], "images": row[images], **share})
    if not pd.isna(share["share"]):
        return f"{_percent(share['share'])} % on average"
    has_none = not pd.isna(row["false_alarm_rate"]) and pd.isna(row["threshold"])
    return NO_THRESHOLD if has_none else "–"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"
