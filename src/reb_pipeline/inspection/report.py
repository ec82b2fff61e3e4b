"""One self-contained page with everything a folder's inspection found."""

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

LARGE_PICTURES = 200  # of so many of the most suspicious images; the others are shown as thumbnails
PICTURES = 4000  # of so many of the most suspicious images, more would be too much for a browser
_SCRIPTS = ("parts.js", "histogram.js", "page.js")


def report_page(
    inspector: "Inspector", folder: str, inspected: Sequence[Inspected], files: Files
) -> str:
    """Compose an HTML page that needs no network and no other file.

    Args:
        inspector: The model that inspected.
        folder: What was inspected, for the page's head.
        inspected: The images, see :func:`reb_pipeline.inspection.folder.inspect_folder`.
        files: Where that function kept its journal.

    Returns:
        HTML text of some 10 kB an image, and 50 kB for each of the 200 most suspicious ones.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = f"{summary_of(inspected)} Folder {folder}, model {inspector.model_id[:12]}, {now}."
    parts = {
        "title": html.escape(f"Inspection: {inspector.name}"),
        "facts": html.escape(facts),
        "promise": html.escape(inspector.calibration.statement()),
        "style": _file("style.css"),
        "script": "\n".join(map(_file, _SCRIPTS)),
        "data": _json_in_html(_data(inspector, inspected, files)),
    }
    # In one pass: nothing within a part is taken for the name of another.
    return re.sub("@@([a-z]+)@@", lambda found: parts[found[1]], _file("page.html"))


def _data(inspector: "Inspector", inspected: Sequence[Inspected], files: Files) -> dict[str, Any]:
    readable = [one for one in inspected if one.key is not None]
    worst_first = sorted(readable, key=lambda one: -one.row["image_score"])
    shown = {id(one) for one in worst_first[:PICTURES]}
    large = {id(one) for one in worst_first[:LARGE_PICTURES]}
    return {
        "threshold": finite(float(inspector.image_threshold)),
        "calibration": np.sort(inspector.calibration.image_scores).astype(float).tolist(),
        "images": [
            _image(one.row)
            | {"view": one.view(files) if id(one) in shown else None}
            | ({"large": in_base64(one.picture(files))} if id(one) in large else {})
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
        "overlay": row["overlay"],
    }


def _json_in_html(values: dict[str, Any]) -> str:
    """JSON that ends no element, whatever texts are in it."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return (package_files(__package__) / "page" / name).read_text(encoding="utf-8")
