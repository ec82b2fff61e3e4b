"""Verdicts: on an image from its score, and on a part of several views from the images that show it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reb_pipeline.calibration.parts import OnPart, View, Views, verdict_on_part, verdicts_on_parts
from reb_pipeline.calibration.verdicts import UNDECIDED, verdict_of
from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.results import Inspection
    from reb_pipeline.inspection.steps import Inspected


def verdict_now(inspector: "Inspector", image_score: float) -> dict[str, Any]:
    """Derive verdict and reason, fields of an inspection, from the score of one image by the present thresholds."""
    verdict = verdict_of(image_score, inspector.image_threshold, inspector.doubtful_threshold)
    reason = inspector.calibration.statement() if verdict == UNDECIDED else ""
    return {"verdict": verdict, "reason": reason}


def views_of(inspector: "Inspector") -> Views | None:
    """Get the views of the parts of a model; None where each image is a part."""
    return getattr(inspector.calibration, "views", None)


def check_names(views: Views | None, paths: Sequence[str], model: str) -> None:
    """Check before an inspection that names of images tell parts apart.

    Args:
        views: Views of the model; None where each image is a part.
        paths: Paths of the images.
        model: Name of the model.

    Raises:
        InputError: If no name tells a part.
    """
    if views is None or not paths or any(views.part_of_file(path) is not None for path in paths):
        return
    msg = (
        f"The model {model} is of parts with {views.per_part} views and finds the part of an image by its path, with "
        f"'{views.group_by}', which fits none of {len(paths)} images, first {paths[0]!r}: name the images as those of "
        f"the training."
    )
    raise InputError(msg)


def by_part(inspector: "Inspector", inspected: "Sequence[Inspected]") -> "list[Inspected]":
    """Give each image the verdict on its part; nothing changes where each image is a part.

    Args:
        inspector: The model.
        inspected: All images of the inspection, each with the verdict of its own score.

    Returns:
        The same images. Rows have the column ``part``; it is empty where the name tells none, and such an image is
        undecided, or defective by its own score.
    """
    views = views_of(inspector)
    if views is None:
        return list(inspected)
    images = [
        View(
            one.row["path"],
            one.row["verdict"],
            one.row["error"] or one.row["reason"],
            one.row["sha256"],
        )
        for one in inspected
    ]
    return [
        replace(one, row=_judged(one.row, found))
        for one, found in zip(inspected, verdicts_on_parts(images, views), strict=True)
    ]


def of_one_view(calibration: "Calibration", inspection: "Inspection") -> "Inspection":
    """Conclude on a part from one image, which is not enough to call a part of several views good."""
    if calibration.views is None or inspection.verdict == UNDECIDED:
        return inspection
    n_views = calibration.views.per_part
    verdict, reason = verdict_on_part([View("", inspection.verdict)], n_views)
    if verdict == UNDECIDED:
        reason = (
            f"A part has {n_views} views, and one image is one of them: inspect a folder, or send the service a batch, "
            f"with all views of the part."
        )
    return replace(inspection, verdict=verdict, reason=reason)


def of_score(inspector: "Inspector", inspection: "Inspection") -> "Inspection":
    """Give an image the verdict of its score alone, from which that on a part of several views follows."""
    if views_of(inspector) is None or not inspection.shows_part:
        return inspection
    return replace(inspection, **verdict_now(inspector, inspection.image_score))


def _judged(row: dict[str, Any], found: OnPart) -> dict[str, Any]:
    """Put part, verdict and reason into a row."""
    first = {"path": row["path"], "part": found.part or ""}
    return {**first, **row, "verdict": found.verdict, "reason": found.reason}
