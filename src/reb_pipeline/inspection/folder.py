"""Every image of a folder is inspected once, however often the run is interrupted."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.folder_files import Files
from reb_pipeline.core.progress import progress
from reb_pipeline.images.decoding import read_image
from reb_pipeline.images.folder import list_images
from reb_pipeline.inspection.encoding import in_base64, jpeg
from reb_pipeline.inspection.overlay import ColourScale, draw_overlay, shrink
from reb_pipeline.inspection.results import FORMER_COLUMNS, UNREADABLE
from reb_pipeline.inspection.views import LARGE_SIDE, view_of

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem

    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.results import Inspection

VERDICTS = ("good", "defective", UNREADABLE)
JOURNAL, OVERLAYS = "journal", "overlays"  # folders of what is written
_LAYOUT = "1"  # of a journal's entries; another one is not read
_LONGEST_NAME = 200  # bytes: file systems take 255


@dataclass(frozen=True)
class Inspected:
    """One image of a folder.

    Attributes:
        row: Its row of the table, JSON values.
        key: Name of its entry in the journal; None where it could not be read.
    """

    row: dict[str, Any]
    key: str | None

    def view(self, files: Files) -> dict[str, Any]:
        """What the report shows of it, see :func:`reb_pipeline.inspection.views.view_of`."""
        view: dict[str, Any] = json.loads(files[f"{JOURNAL}/{self.key}.json"])["view"]
        return view

    def picture(self, files: Files) -> bytes:
        """The image as a JPEG file, at most 512 pixels wide and high."""
        return files[f"{JOURNAL}/{self.key}.jpg"]


def inspect_folder(
    inspector: "Inspector", folder: str, files: Files, description: str | None = None
) -> list[Inspected]:
    """Inspect all images of a folder and of the folders below it.

    What has been inspected is kept in ``files`` after every image: an overlay for the user, and an entry of the
    journal. An image is inspected again where its path, its content or the model is another.

    Args:
        inspector: The model.
        folder: Path or URL (any fsspec file system) of the folder.
        files: What is kept, from earlier runs too.
        description: Label of the progress bar; no bar without it.

    Returns:
        One element an image, in the order of their paths. Images that cannot be read say why.

    Raises:
        InputError: The folder is missing or holds no image.
    """
    filesystem, paths = list_images(folder)
    scale = ColourScale.of(inspector.calibration)
    return [
        _inspect_once(inspector, scale, filesystem, path, files)
        for path in progress(paths, description)
    ]


def table_of(inspected: Sequence[Inspected]) -> "pd.DataFrame":
    """One row an image.

    Returns:
        Columns ``path`` (below the folder), ``image_score``, ``p_value``, ``verdict`` ("good", "defective",
        "unreadable"), ``defect_area`` (pixels), ``boxes`` (JSON text: [[x, y, width, height], …], largest area first),
        ``seconds``, ``error`` (empty where there is none), ``overlay`` (path of the overlay), ``time`` (UTC, ISO 8601)
        and ``mean_features`` (float32 [channels]). Scores are missing and ``mean_features`` is None where the image
        could not be read.
    """
    import pandas as pd

    table = pd.DataFrame([one.row for one in inspected])
    numbers = dict.fromkeys(["image_score", "p_value", "seconds"], "float64")
    table = table.astype(numbers)  # also where no image could be read
    features = [_floats(one.row["mean_features"]) for one in inspected]
    table["mean_features"] = pd.Series(features, dtype=object)
    return table


def summary_of(inspected: Sequence[Inspected]) -> str:
    """How many images have which verdict, one sentence."""
    counts = Counter(one.row["verdict"] for one in inspected)
    found = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS)
    images = "image" if len(inspected) == 1 else "images"
    return f"{len(inspected):,} {images} inspected: {found}."


def _inspect_once(
    inspector: "Inspector",
    scale: ColourScale,
    filesystem: "AbstractFileSystem",
    path: str,
    files: Files,
) -> Inspected:
    try:
        data = filesystem.cat_file(path)
    except OSError as error:
        return Inspected(_row(path, error=str(error)), None)
    key = _key(inspector, path, data)
    row = _row_in_journal(files, key)
    if row is not None:
        return Inspected(row, key)
    try:
        image = read_image(data, _printable(path))
        inspection = inspector.inspect(image)
    except InputError as error:
        return Inspected(_row(path, error=str(error)), None)

    nearest = inspector.explain(inspection) if inspection.flagged else []
    threshold = inspector.pixel_threshold
    row = _row(path, inspection, overlay=_overlay_name(path, key))
    view = view_of(image, inspection, nearest, scale, threshold)
    files[row["overlay"]] = jpeg(draw_overlay(image, inspection, scale, threshold))
    files[f"{JOURNAL}/{key}.jpg"] = jpeg(shrink(image, LARGE_SIDE))
    # The last one: where it is there, the others are.
    files[f"{JOURNAL}/{key}.json"] = json.dumps({"row": row, "view": view}).encode()
    return Inspected(row, key)


def _row(
    path: str, inspection: "Inspection | None" = None, *, overlay: str = "", error: str = ""
) -> dict[str, Any]:
    return {
        "path": _printable(path),
        "image_score": float(inspection.image_score) if inspection else None,
        "p_value": float(inspection.p_value) if inspection else None,
        "verdict": inspection.verdict if inspection else UNREADABLE,
        "defect_area": sum(int(d.area) for d in inspection.defects) if inspection else 0,
        "boxes": json.dumps(
            [[int(side) for side in d.box] for d in inspection.defects] if inspection else []
        ),
        "seconds": float(inspection.seconds) if inspection else None,
        "error": error,
        "overlay": overlay,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "mean_features": _text(inspection.mean_features) if inspection else None,
    }


def _row_in_journal(files: Files, key: str) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(files[f"{JOURNAL}/{key}.json"])["row"]
    except (KeyError, ValueError):  # not there, or cut off where a file system writes in parts
        return None
    return {FORMER_COLUMNS.get(name, name): value for name, value in row.items()}


def _key(inspector: "Inspector", path: str, data: bytes) -> str:
    digest = hashlib.sha256()
    for part in (_LAYOUT.encode(), inspector.model_id.encode(), _raw(path)):
        digest.update(part + b"\0")
    digest.update(data)
    return digest.hexdigest()[:32]


def _overlay_name(path: str, key: str) -> str:
    """``overlays/bolt/0012.png-1a2b3c4d.jpg``: another content or model is another file."""
    file = PurePosixPath(_printable(path))
    name = file.name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return PurePosixPath(OVERLAYS, file.parent, f"{name}-{key[:8]}.jpg").as_posix()


def _raw(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def _printable(path: str) -> str:
    """The path without bytes that are no text, which files of other systems may have in their names."""
    return _raw(path).decode(errors="replace")


def _text(values: np.ndarray) -> str:
    return in_base64(np.asarray(values, "<f4").tobytes())


def _floats(text: str | None) -> np.ndarray | None:
    return None if text is None else np.frombuffer(base64.b64decode(text), "<f4")
