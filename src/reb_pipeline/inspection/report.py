"""Self-contained HTML page of the inspection of a folder."""

import html
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.folder_files import Files
from reb_pipeline.inspection.encoding import finite, in_base64
from reb_pipeline.inspection.folder import Inspected, summary_of

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

LARGE_IMAGES = 200  # the most suspicious images, shown large; the others are shown as thumbnails
SHOWN_IMAGES = (
    4000  # the most suspicious images, shown at all; more would be too much for a browser
)
_SCRIPTS = ("parts.js", "histogram.js", "page.js")


def report_page(
    inspector: "Inspector",
    folder: str,
    inspected: Sequence[Inspected],
    files: Files,
    left_out: str = "",
) -> str:
    """Compose an HTML page that needs no network and no other file.

    Args:
        inspector: The model of the inspection.
        folder: The inspected folder, shown in the head of the page.
        inspected: Results of :func:`reb_pipeline.inspection.folder.inspect_folder`.
        files: Files with the journal of that function.
        left_out: Sentence about files that were not inspected, see
            :func:`reb_pipeline.inspection.folder.not_inspected`.

    Returns:
        HTML text with about 10 kB per image, and 50 kB for each of the 200 most suspicious ones.
    """
    calibration = inspector.calibration
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    counts = f"{summary_of(inspected)} {left_out}".rstrip()
    facts = f"{counts} Folder {folder}, model {inspector.model_id[:12]}, {now}."
    parts = {
        "title": html.escape(f"Inspection: {inspector.name}"),
        "facts": html.escape(facts),
        "promise": html.escape(f"Thresholds for {calibration.origin}. {calibration.statement()}"),
        "style": _file("style.css"),
        "script": "\n".join(map(_file, _SCRIPTS)),
        "data": _json_in_html(_data(inspector, inspected, files)),
    }
    # In one pass, so that placeholders inside a part are not replaced.
    return re.sub("@@([a-z]+)@@", lambda found: parts[found[1]], _file("page.html"))


def _data(inspector: "Inspector", inspected: Sequence[Inspected], files: Files) -> dict[str, Any]:
    readable = [one for one in inspected if one.key is not None]
    worst_first = sorted(readable, key=lambda one: -one.row["image_score"])
    shown = {id(one) for one in worst_first[:SHOWN_IMAGES]}
    large = {id(one) for one in worst_first[:LARGE_IMAGES]}
    return {
        "threshold": finite(float(inspector.image_threshold)),
        "calibration": np.sort(inspector.calibration.image_scores).astype(float).tolist(),
        "images": [
            _image(one.row)
            | {"view": one.view(files) if id(one) in shown else None}
            | ({"large": in_base64(one.large_image(files))} if id(one) in large else {})
            for one in inspected
        ],
    }


def _image(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": row["path"],
        "score": row["image_score"],
        "p": row["p_value"],
        "area": row["defect_area"],
        "seconds": row["seconds"],
        "time": row["time"],
        "error": row["error"],
        "reason": row["reason"],
        "overlay": row["overlay"],
    }


def _json_in_html(values: dict[str, Any]) -> str:
    """Encode JSON so that no text in it can end the HTML element."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return (package_files(__package__) / "page" / name).read_text(encoding="utf-8")
