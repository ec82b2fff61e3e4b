"""Self-contained HTML page of the inspection of a folder."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reb_pipeline.core.folder_files import Files
from reb_pipeline.inspection.encoding import in_base64
from reb_pipeline.inspection.folder import Inspected, summary_of
from reb_pipeline.inspection.marks import saved_marks
from reb_pipeline.inspection.pages import (
    compose,
    definitions,
    doubt,
    flat,
    global_part,
    made_with,
    now,
    thresholds_of,
)
from reb_pipeline.inspection.part_verdicts import views_of
from reb_pipeline.inspection.steps import POSE

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

LARGE_IMAGES = 200  # the most suspicious images, shown large; the others are shown as thumbnails
SHOWN_IMAGES = (
    4000  # the most suspicious images, shown at all; more would be too much for a browser
)
_SETTINGS = ("features", "scoring", "bank", "gaussians", "made_with")  # sections of model.json
_MEANING = {
    "image score": "How unlike good parts the image is; higher is more anomalous. Only its order and its distance to "
    "the threshold mean something: another model has other scores.",
    "threshold": "Highest image score of a part that is called good. It is taken from good images alone, for a "
    "false-alarm rate: the share of good parts that may be flagged.",
    "p-value": "Share of good parts that score at least as high. A part is flagged if it is at most the false-alarm "
    "rate.",
    "anomaly map": "Score of each place. A pixel is marked above a threshold of its own, so that at most the same "
    "share of good parts has a mark; a flagged part may have none.",
    "undecided": "The image can be read, but nothing is known to compare its score with, so nobody can call it good.",
    "false alarm, missed": "Your marks: a flagged part that is good, a part that is called good and is defective.",
}

_PART = (
    "What {} views show together: its score is the highest of theirs, which thresholds and rates are about. Each image "
    "has the verdict on its part, which is good only if all views are there and good."
)


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
        files: Files with the journal of that function, and perhaps the marks of an earlier report.
        left_out: Sentence about files that were not inspected, see
            :func:`reb_pipeline.inspection.folder.not_inspected`.

    Returns:
        HTML text with about 10 kB per image, and 50 kB for each of the 200 most suspicious ones.

    Raises:
        InputError: If the file of marks cannot be used.
    """
    calibration = inspector.calibration
    counts = f"{summary_of(inspected)} {left_out}".rstrip()
    texts = {
        "title": f"Inspection: {inspector.name}",
        "facts": f"{counts} Folder {folder}, model {inspector.model_id[:12]}, {now()}.",
        "promise": f"Thresholds for {calibration.origin}. {calibration.statement()}",
    }
    views = views_of(inspector)
    of_parts = {} if views is None else {"part": _PART.format(views.per_part)}
    manifest = getattr(inspector, "manifest", {})
    settings = {name: manifest[name] for name in _SETTINGS if name in manifest}
    made = {"model": inspector.model_id, **made_with(), **flat(settings)}
    blocks = {
        "meaning": definitions(
            "What the numbers mean",
            _MEANING | of_parts | doubt(calibration) | global_part(calibration),
        ),
        "made": definitions("Model, settings and versions", made),
    }
    data = _data(inspector, inspected, files)
    return compose("page.html", "inspection.js", texts, blocks, data)


def _data(inspector: "Inspector", inspected: Sequence[Inspected], files: Files) -> dict[str, Any]:
    views = views_of(inspector)
    readable = [one for one in inspected if one.key is not None]
    worst_first = sorted(readable, key=_suspicion, reverse=True)
    shown = {id(one) for one in worst_first[:SHOWN_IMAGES]}
    large = {id(one) for one in worst_first[:LARGE_IMAGES]}
    return {
        **thresholds_of(
            inspector.calibration, inspector.image_threshold, inspector.doubtful_threshold
        ),
        "views": views and views.per_part,
        "model_id": inspector.model_id,
        "marks": [vars(mark) for mark in saved_marks(files)],
        "images": [
            _image(one.row)
            | {"view": one.view(files) if id(one) in shown else None}
            | ({"large": in_base64(one.large_image(files))} if id(one) in large else {})
            for one in inspected
        ],
    }


def _suspicion(one: Inspected) -> float:
    """Order images by how much a look is needed: those without a score first."""
    score = one.row["image_score"]
    return float("inf") if score is None else float(score)


def _image(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": row["path"],
        **({"part": row["part"]} if "part" in row else {}),
        "score": row["image_score"],
        "global": row["global_score"],
        "p": row["p_value"],
        "pose": [row.get(f"pose_{name}") for name in POSE],
        "area": row["defect_area"],
        "zone": row["zone"],
        "seconds": row["seconds"],
        "time": row["time"],
        "error": row["error"],
        "reason": row["reason"],
        "overlay": row["overlay"],
        "sha256": row.get("sha256", ""),
    }
