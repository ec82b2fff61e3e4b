"""Inspection of a folder: every image is inspected once, even if runs are interrupted."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reb_pipeline.calibration.verdicts import DOUBTFUL, VERDICTS
from reb_pipeline.core.folder_files import Files
from reb_pipeline.core.progress import progress
from reb_pipeline.core.spreadsheets import no_formula
from reb_pipeline.core.text_lists import to_text
from reb_pipeline.images.folder import (
    OTHER_FORMAT,
    UNREADABLE_FOLDERS,
    list_images,
    not_read_sentences,
)
from reb_pipeline.inspection.journal import floats_of
from reb_pipeline.inspection.part_verdicts import by_part, check_names, views_of
from reb_pipeline.inspection.steps import POSE, Inspected, Steps, row_of

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem

    from reb_pipeline.images.folder import FolderListing
    from reb_pipeline.inspection.inspector import Inspector

# Kinds of what is not read that may be parts, with the error of their rows.
_UNSEEN = {
    UNREADABLE_FOLDERS: "It cannot be opened, so that nothing in it is inspected: allow reading it, or take it out.",
    OTHER_FORMAT: "Images of this format are not read: convert it to PNG, TIFF, JPEG, BMP or WebP.",
}
_LONGEST_ROW = 2**26  # bytes of a row as JSON
_POSE = tuple(f"pose_{name}" for name in POSE)
_NUMBERS = ("image_score", "global_score", "p_value", "seconds", *_POSE)  # that can be missing


def inspect_folder(
    inspector: "Inspector", folder: str, files: Files, description: str | None = None
) -> list[Inspected]:
    """Inspect all images of a folder and its subfolders.

    Results are stored in ``files`` after every image: an overlay for the user, and an entry of the journal. Verdicts
    and marks of images in the journal follow from what was found on them and the present thresholds. An image is
    inspected again if its path, its content or the model has changed, or if the entry was made by a former rule of
    verdicts; that entry stays.

    Args:
        inspector: The model.
        folder: Path or URL (any fsspec file system) of the folder.
        files: Storage of results, may hold those of earlier runs.
        description: Label of the progress bar; None shows no bar.

    Returns:
        One element per image, ordered by path. Images of a part with several views have the verdict on the part, see
        :func:`reb_pipeline.inspection.part_verdicts.by_part`. Undecided images have a reason. Images that cannot
        be read have an error; so have image files of other formats, and subfolders that cannot be listed, because parts
        may be unseen in them.

    Raises:
        InputError: If the folder is missing or holds no image.
    """
    return inspect_parts(inspector, *list_images(folder), files, description)


def inspect_parts(
    inspector: "Inspector",
    filesystem: "AbstractFileSystem",
    found: "FolderListing",
    files: Files,
    description: str | None = None,
) -> list[Inspected]:
    """Inspect all images of a listing, see :func:`inspect_folder`; arguments as those of :func:`inspect_images`."""
    names = [*found.images, *found.not_read.get(OTHER_FORMAT, ())]
    check_names(views_of(inspector), names, inspector.name)
    return by_part(inspector, inspect_images(inspector, filesystem, found, files, description))


def inspect_images(
    inspector: "Inspector",
    filesystem: "AbstractFileSystem",
    found: "FolderListing",
    files: Files,
    description: str | None = None,
) -> list[Inspected]:
    """Inspect images without regard to parts of several views: each has the verdict of its own score.

    Args:
        inspector: The model.
        filesystem: File system of the images.
        found: The images, and what may be one and is not read.
        files: Storage of results, may hold those of earlier runs.
        description: Label of the progress bar; None shows no bar.
    """
    results = Steps(inspector, filesystem, files).run(found.images)
    inspected = list(progress(results, description, total=len(found.images)))
    unseen = [
        Inspected(row_of(path, error=error), None)
        for kind, error in _UNSEEN.items()
        for path in found.not_read.get(kind, ())
    ]
    return sorted([*inspected, *unseen], key=lambda one: one.row["path"]) if unseen else inspected


def table_of(inspected: Sequence[Inspected]) -> "pd.DataFrame":
    """Build a table with one row per image.

    Returns:
        Columns ``path`` (below the folder), ``image_score``, ``global_score`` (its part that the whole image adds),
        ``p_value``, ``verdict`` (one of :data:`reb_pipeline.calibration.verdicts.VERDICTS`), ``defect_area`` (pixels),
        ``boxes`` (JSON text: [[x, y, width, height], …], largest area first), ``zone`` (that the worst patch lies in,
        or empty), ``pose_degrees``, ``pose_right`` and ``pose_down`` (see
        :class:`reb_pipeline.images.pose.Placement`; missing without a pose), ``seconds``, ``error`` (why the image
        cannot be read, or empty), ``reason`` (why it is undecided or which other view decides, or empty), ``overlay``
        (path of the overlay), ``time`` (UTC, ISO 8601), ``sha256`` of the file (empty if it was not read) and
        ``mean_features`` (JSON text: a number a channel). Scores are missing and ``mean_features`` is empty where the
        image could not be read or scored. Of a model of parts with several views ``part`` is the part that the image
        shows, and ``verdict`` and ``reason`` are those of the part.
    """
    import pandas as pd

    table = pd.DataFrame(rows_of(inspected))
    return table.astype(dict.fromkeys(_NUMBERS, "float64"))  # also where no image could be read


def rows_of(inspected: Sequence[Inspected]) -> list[dict[str, Any]]:
    """List the rows of :func:`table_of` as JSON values; scores that are missing are None."""
    return [
        one.row | {"mean_features": to_text(floats_of(one.row["mean_features"]))}
        for one in inspected
    ]


def csv_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write rows as CSV, in which spreadsheets take no text for a formula.

    A text that begins as formulas do gets an apostrophe, see :func:`reb_pipeline.core.spreadsheets.no_formula`.

    Args:
        rows: At least one row, all with the same columns.

    Example:
        >>> rows = [{"path": "=1+1.png", "image_score": -0.5}, {"path": "a.png", "image_score": None}]
        >>> csv_of(rows).decode().split()
        ['path,image_score', "'=1+1.png,-0.5", 'a.png,']
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: no_formula(cell) for name, cell in row.items()} for row in rows)
    return text.getvalue().encode(errors="replace")


def json_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write rows as a JSON list of objects, ``boxes`` as numbers.

    Example:
        >>> json_of([{"path": "a.png", "boxes": "[[1, 2, 3, 4]]"}]).decode().split()
        ['[', '{"path":', '"a.png",', '"boxes":', '[[1,', '2,', '3,', '4]]}', ']']
    """
    objects = (json.dumps({**row, "boxes": json.loads(row["boxes"])}) for row in rows)
    return ("[\n" + ",\n".join(objects) + "\n]\n").encode()


def parquet_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write rows of :func:`rows_of` as a Parquet file.

    Raises:
        ImportError: If PyArrow is not installed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import json as arrow_json

    kinds = {str: pa.string(), int: pa.int64()}
    columns = [
        (name, pa.float64() if name in _NUMBERS else kinds[type(cell)])
        for name, cell in rows[0].items()
    ]
    # As JSON, because PyArrow imports pandas to look at lists of Python.
    lines = "\n".join(map(json.dumps, rows)).encode()
    table = arrow_json.read_json(
        io.BytesIO(lines),
        arrow_json.ReadOptions(block_size=_LONGEST_ROW),
        arrow_json.ParseOptions(explicit_schema=pa.schema(columns)),
    )
    file = pa.BufferOutputStream()
    pq.write_table(table, file)
    data: bytes = file.getvalue().to_pybytes()
    return data


def summary_of(inspected: Sequence[Inspected]) -> str:
    """Describe the number of images, or parts of several views, of each verdict, in one sentence.

    Example:
        >>> from reb_pipeline.inspection.folder import Inspected, summary_of
        >>> summary_of([Inspected({"verdict": "good"}, "1"), Inspected({"verdict": "defective"}, "2")])
        '2 images inspected: 1 good, 1 defective, 0 undecided, 0 unreadable.'
    """
    units = {
        one.row.get("part") or place: one.row["verdict"] for place, one in enumerate(inspected)
    }
    counts = Counter(units.values())
    shown = [verdict for verdict in VERDICTS if verdict != DOUBTFUL or counts[verdict]]
    found = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in shown)
    images = "image" if len(inspected) == 1 else "images"
    if any("part" in one.row for one in inspected):
        images += f" of {len(units):,} {'part' if len(units) == 1 else 'parts'}"
    summary = f"{len(inspected):,} {images} inspected: {found}."
    former = sum(one.has_former_verdict for one in inspected)
    if former:
        summary += (
            f" {former:,} of them had a verdict in the journal by the rule of a former version, which is kept there "
            f"but not used: they were inspected again."
        )
    return summary


def not_inspected(listing: "FolderListing") -> str:
    """Describe the files of a folder that were no images to inspect; empty if there are none.

    Args:
        listing: See :func:`reb_pipeline.images.folder.list_images`.

    Example:
        >>> from reb_pipeline.images.folder import FolderListing
        >>> from reb_pipeline.inspection.folder import not_inspected
        >>> not_inspected(FolderListing(["0.png"], {"other_files": ["notes.txt"]}))
        'Not inspected: 1 files are not read because they are no images by their names (.txt 1), first notes.txt.'
    """
    others = {kind: paths for kind, paths in listing.not_read.items() if kind not in _UNSEEN}
    return f"Not inspected: {'; '.join(not_read_sentences(others))}." if others else ""
