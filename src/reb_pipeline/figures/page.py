"""Self-contained HTML page of the evaluation of a category."""

import base64
import html
import io
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure

from reb_pipeline.metrics.report import about_copies

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
        metrics: Report of :func:`reb_pipeline.metrics.report.evaluate`.
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
        f"{_table(metrics)}{''.join(plots)}<img alt='hardest images' src='{_png(hardest)}'></body></html>"
    )


def _table(metrics: dict[str, Any]) -> str:
    """Format a table with one row over all defects and one per defect type, and one column per metric."""
    kinds = {"all defects": metrics, **metrics["per_defect_type"]}
    names = [name for name, value in metrics.items() if isinstance(value, float)]
    header = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{html.escape(kind)}</td>"
        + "".join(f"<td>{_number(values.get(name))}</td>" for name in names)
        + "</tr>"
        for kind, values in kinds.items()
    )
    note = "" if metrics["has_masks"] else "<p>No masks: image metrics only.</p>"
    return f"<table><tr><th></th>{header}</tr>{rows}</table>{note}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
