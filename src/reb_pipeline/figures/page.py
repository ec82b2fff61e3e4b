"""Self-contained HTML page of the evaluation of a category."""

import base64
import html
import io
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure

from reb_pipeline.metrics.report import about_copies
from reb_pipeline.metrics.summary import NO_THRESHOLD

_STYLE = """
body { font-family: system-ui, sans-serif; max-width: 980px; margin: 2rem auto; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
"""


def report_page(
    category: str, metrics: dict[str, Any], interactive: list[go.Figure], hardest: Figure
) -> str:
    """Compose an HTML page of metrics and figures that needs no network.

    Args:
        category: Name of the category, used as the title of the page.
        metrics: Report of :func:`reb_pipeline.metrics.report.evaluate`, with ``at_threshold``
            (:func:`reb_pipeline.metrics.at_threshold.at_threshold`) if there is a calibration.
        interactive: Plotly figures.
        hardest: The figure of the hardest images.

    Returns:
        HTML text of about 5 MB, mostly the Plotly library.
    """
    plots = [
        # The first figure includes the library for all figures.
        figure.to_html(full_html=False, include_plotlyjs=position == 0, div_id=f"figure-{position}")
        for position, figure in enumerate(interactive)
    ]
    title = html.escape(category)
    copies = about_copies(metrics)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{metrics['good_images']} good and {metrics['anomalous_images']} anomalous test images.</p>"
        f"{copies and f'<p>{copies}.</p>'}"
        f"{_at_threshold(metrics)}{_metrics(metrics)}{''.join(plots)}"
        f"<img alt='hardest images' src='{_png(hardest)}'></body></html>"
    )


def _at_threshold(metrics: dict[str, Any]) -> str:
    """Format what is found and missed at the calibrated threshold; empty without a calibration."""
    report = metrics.get("at_threshold")
    if report is None:
        return ""
    rate, images = 100 * report["false_alarm_rate"], report["calibration_images"]
    title = "<h2>At the calibrated threshold</h2>"
    if report["threshold"] is None:
        return (
            f"{title}<p><b>{NO_THRESHOLD}</b>: {images} good images cannot guarantee a false-alarm rate of {rate:.3g} "
            "%, so it is not known which of the test images would be flagged.</p>"
        )
    kinds = {"good": report["false_alarms"], "all defects": report["found"]}
    rows = "".join(
        _row(kind, share["images"], share["flagged"], share["passed"],
             f"{_percent(share['share'])} ({_percent(share['low'])}–{_percent(share['high'])})")
        for kind, share in {**kinds, **report["per_defect_type"]}.items()
        if share is not None
    )  # fmt: skip
    return (
        f"{title}<p>Threshold {report['threshold']:.5g}, from {images} good images, for a false-alarm rate of "
        f"{rate:.3g} %. Flagged good images are false alarms; defective images that are not flagged are missed.</p>"
        "<table><tr><th></th><th>images</th><th>flagged</th><th>not flagged</th>"
        f"<th>flagged, % (95 % interval)</th></tr>{rows}</table>"
    )


def _row(name: str, *values: object) -> str:
    cells = "".join(f"<td>{value}</td>" for value in values)
    return f"<tr><td>{html.escape(name)}</td>{cells}</tr>"


def _metrics(metrics: dict[str, Any]) -> str:
    if metrics["anomalous_images"]:
        return _table(metrics)
    return "<p>Without defective test images there is no metric: the figures show how good ones score.</p>"


def _table(metrics: dict[str, Any]) -> str:
    """Format a table with one row over all defects and one per defect type, and one column per metric in percent."""
    kinds = {"all defects": metrics, **metrics["per_defect_type"]}
    names = [name for name, value in metrics.items() if isinstance(value, float)]
    header = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in names)
    rows = "".join(
        _row(kind, *(_percent(values.get(name)) for name in names))
        for kind, values in kinds.items()
    )
    notes = "" if metrics["has_masks"] else "<p>No masks: image metrics only.</p>"
    if any(name.endswith("f1_max") for name in names):
        notes += "<p>F1max is at the best threshold, which only the test labels can tell (an oracle).</p>"
    return f"<h2>Metrics in percent</h2><table><tr><th></th>{header}</tr>{rows}</table>{notes}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
