"""Building blocks of the pages that people look at: templates, tables and the images of their galleries.

The folder ``page`` has the only stylesheet and scripts. The report of an inspection
(:mod:`reb_pipeline.inspection.report`) and that of a training (:mod:`reb_pipeline.figures.page`) are made of them. A
page is one file that needs no network, and no text in it can become HTML or script.
"""

import html
import json
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.inspection.encoding import finite
from reb_pipeline.inspection.overlay import ColourScale, colours

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration

_FRAGMENTS = ("head", "gallery", "detail")
_SCRIPTS = ("dom.js", "parts.js", "histogram.js", "gallery.js")
_COLOUR_STOPS, _OPACITY_STOPS = 18, 65
_LUMINANCE = (
    0.2126,
    0.7152,
    0.0722,
)  # of sRGB, ITU-R BT.709; it rises with the colours of the maps
_PACKAGES = ("numpy", "faiss-cpu", "onnxruntime", "torch", "timm")


def compose(
    template: str, script: str, texts: Mapping[str, str], blocks: Mapping[str, str], data: Any
) -> str:
    """Compose a page.

    Args:
        template: Name of the HTML template in the folder ``page``.
        script: Name of the script of this page, which comes after the shared ones.
        texts: Texts of the template's places, escaped here.
        blocks: HTML of further places, from the functions of this module.
        data: JSON values that the scripts read.
    """
    skeleton = _file(template)
    for name in _FRAGMENTS:
        skeleton = skeleton.replace(f"@@{name}@@", _file(f"{name}.html").rstrip("\n"))
    parts = {
        **{name: html.escape(text) for name, text in texts.items()},
        **blocks,
        "style": _file("style.css"),
        "script": "\n".join(map(_file, [*_SCRIPTS, script])),
        "data": _json_in_html(data),
    }
    # In one pass, so that placeholders inside a part are not replaced.
    return re.sub("@@([a-z]+)@@", lambda found: parts[found[1]], skeleton)


def doubt(calibration: "Calibration") -> dict[str, str]:
    """Explain doubtful parts; nothing for a model that calls none doubtful."""
    if calibration.doubtful_rate is None:
        return {}
    rates = (
        f"{100 * calibration.false_alarm_rate:.3g} % and {100 * calibration.doubtful_rate:.3g} %"
    )
    meaning = (
        "The score lies above the lower threshold and not above the higher one: a person should look. The two "
        f"thresholds are calibrated for {rates}: of good parts at most the first share is called defective, and at "
        "most the second doubtful or defective."
    )
    return {"doubtful": meaning}


def global_part(calibration: "Calibration") -> dict[str, str]:
    """Explain the part of image scores that whole images add; nothing for a model without a global branch."""
    if calibration.scoring.get("global_branch", "none") == "none":
        return {}
    meaning = (
        "Part of the image score that the image as a whole adds, where it is unlike good ones although its patches may "
        "look good, as where something is missing. Nothing need be marked then."
    )
    return {"global part": meaning}


def thresholds_of(
    calibration: "Calibration", image_threshold: float, doubtful_threshold: float | None
) -> dict[str, Any]:
    """List the data that histogram, legend of the maps and facts of images are drawn from, JSON values."""
    scale = ColourScale.of(calibration)
    rgb, opacity = colours()[:, :3] / 255, colours()[:, 3] / 255
    luminance = np.maximum.accumulate(rgb @ _LUMINANCE)
    steps = np.linspace(0, 1, _OPACITY_STOPS)
    stops = np.linspace(0, len(colours()) - 1, _COLOUR_STOPS).round().astype(int)
    return {
        "threshold": finite(float(image_threshold)),
        "doubtful_threshold": doubtful_threshold,
        "pixel_threshold": finite(calibration.pixel_threshold),
        "calibration": np.sort(calibration.image_scores).astype(float).tolist(),
        "scale": {"threshold": scale.threshold, "span": scale.span},
        "colours": [f"#{colours()[stop, :3].tobytes().hex()}" for stop in stops],
        "luminance": _LUMINANCE,
        "opacity": np.interp(steps, luminance, opacity).round(3).tolist(),
        "global_part": bool(global_part(calibration)),
    }


def section(title: str, *blocks: str) -> str:
    """Put blocks of HTML under a title."""
    return f"<section><h2>{html.escape(title)}</h2>{''.join(blocks)}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """Format a table; its first column is text, the others are numbers."""
    row = "".join
    cells = [row(f"<td>{html.escape(str(cell))}</td>" for cell in cells) for cells in rows]
    titles = row(f"<th>{html.escape(title)}</th>" for title in head)
    about = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = row(f"<tr>{line}</tr>" for line in cells)
    return f"<div class='wide'><table>{about}<tr>{titles}</tr>{body}</table></div>"


def curve(
    x: np.ndarray,
    y: np.ndarray,
    point: tuple[float, float] | None,
    label: str,
    axes: tuple[str, str],
) -> str:
    """Draw a curve over the unit square as SVG, with its diagonal and perhaps one point.

    Args:
        x: Floats in [0, 1], ascending.
        y: Floats in [0, 1], of the same length.
        point: x and y of the point; None draws none.
        label: Title of the drawing.
        axes: Names of the x and the y axis.
    """
    places = " ".join(f"{40 + 300 * a:.1f},{310 - 300 * b:.1f}" for a, b in zip(x, y, strict=True))
    at = (
        f"<circle cx='{40 + 300 * point[0]:.1f}' cy='{310 - 300 * point[1]:.1f}' r='6'/>"
        if point
        else ""
    )
    name, horizontal, vertical = map(html.escape, (label, *axes))
    marks = "".join(
        f"<text x='{40 + 3 * share}' y='326' text-anchor='middle'>{share} %</text>"
        f"<text x='36' y='{314 - 3 * share}' text-anchor='end'>{share}</text>"
        for share in (0, 50, 100)
    )
    return (
        f"<figure class='roc'><svg viewBox='0 -16 370 361' role='img' aria-label='{name}'>"
        "<path class='axis' d='M40 10V310H340'/><path class='chance' d='M40 310L340 10'/>"
        f"<path d='M{places}'/>{at}{marks}"
        f"<text x='190' y='342' text-anchor='middle'>{horizontal}</text>"
        f"<text x='4' y='-4'>{vertical}, %</text></svg><figcaption>{name}</figcaption></figure>"
    )


def definitions(title: str, entries: Mapping[str, object]) -> str:
    """Format terms with their values, folded away until the title is clicked."""
    rows = "".join(
        f"<dt>{html.escape(term)}</dt><dd>{html.escape(str(value))}</dd>"
        for term, value in entries.items()
    )
    return f"<details><summary>{html.escape(title)}</summary><dl>{rows}</dl></details>"


def made_with() -> dict[str, str]:
    """List the date and the versions that a page was made with."""
    from reb_pipeline import __version__

    packages = {"reb_pipeline": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:  # a machine that only inspects
            continue
    return {"page written": now(), "versions": ", ".join(map(" ".join, packages.items()))}


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """List nested settings by their dotted names."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value, default=str)
    return found


def now() -> str:
    """Format the present time in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _json_in_html(values: Any) -> str:
    """Encode JSON so that no text in it can end the HTML element."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return (package_files(__package__) / "page" / name).read_text(encoding="utf-8")
