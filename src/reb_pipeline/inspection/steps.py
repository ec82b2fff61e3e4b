"""Inspection of image files in three steps, and what is stored of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.calibration.verdicts import GOOD, UNDECIDED, UNREADABLE, Verdict
from reb_pipeline.core.ahead import ahead
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.folder_files import Files, portable_name
from reb_pipeline.images.decoding import read_image
from reb_pipeline.images.folder import read_file
from reb_pipeline.images.shown import shown
from reb_pipeline.inspection.encoding import jpeg
from reb_pipeline.inspection.journal import (
    FORMER_VERSIONS,
    entry_file,
    entry_of,
    image_file,
    inspection_in,
    is_to_draw_anew,
    key_of,
    read_entry,
    text_of,
)
from reb_pipeline.inspection.overlay import OVERLAY_SIDE, ColourScale, draw_overlay
from reb_pipeline.inspection.part_verdicts import of_score, verdict_now
from reb_pipeline.inspection.views import LARGE_SIDE, plain_picture_of, view_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.results import Inspection, NearestGood

OVERLAYS = "overlays"  # folder of the output
POSE = ("degrees", "right", "down")  # columns pose_…
# Columns that entries of former versions lack.
ADDED = {"global_score": 0.0, "zone": "", "sha256": "", **{f"pose_{name}": None for name in POSE}}
_LONGEST_NAME = 200  # bytes; the limit of file systems is 255


@dataclass(frozen=True)
class Inspected:
    """Inspected image of a folder.

    Attributes:
        row: Row of the table, JSON values.
        key: Name of the entry in the journal; None if the image cannot be read or scored.
        has_former_verdict: True if the journal has a verdict on the image by a former rule, which is not used.
    """

    row: dict[str, Any]
    key: str | None
    has_former_verdict: bool = False

    def view(self, files: Files) -> dict[str, Any]:
        """Read the content of the report for the image, see :func:`reb_pipeline.inspection.views.view_of`."""
        view: dict[str, Any] = json.loads(files[entry_file(str(self.key))])["view"]
        return view

    def large_image(self, files: Files) -> bytes:
        """Read the image as a JPEG file, at most 512 pixels wide and high."""
        return files[image_file(str(self.key))]


@dataclass(frozen=True)
class _Opened:
    """Decoded image of a folder.

    Attributes:
        path: Path below the folder.
        key: Name of its entry in the journal.
        sha256: Hash of the file.
        has_former_verdict: See :class:`Inspected`.
        pixels: uint8 [height, width, 3] RGB.
        entry: Its entry in the journal, which is to be drawn anew; None if there is none.
    """

    path: str
    key: str
    sha256: str
    has_former_verdict: bool
    pixels: np.ndarray
    entry: dict[str, Any] | None


@dataclass(frozen=True)
class _Found:
    """Inspection of an opened image, and the nearest good patches if it is not good."""

    image: _Opened
    inspection: "Inspection"
    nearest: "list[NearestGood]"


@dataclass(frozen=True)
class Steps:
    """Steps of the inspection of images: open an image, inspect it, draw and store what was found.

    Opening and storing have a thread each, so that they go on while another image is inspected.

    Attributes:
        inspector: The model.
        filesystem: File system of the images.
        files: Storage of results, may hold those of earlier runs.
    """

    inspector: "Inspector"
    filesystem: "AbstractFileSystem"
    files: Files

    def run(self, paths: Iterable[str]) -> Iterator[Inspected]:
        """Inspect images; each result is stored before it is yielded, in the order of the paths."""
        with ThreadPoolExecutor(1) as opener, ThreadPoolExecutor(1) as storer:
            found = map(self._inspect, ahead(opener, self._open, paths))
            yield from ahead(storer, self._store, found)

    def _open(self, path: str) -> _Opened | Inspected:
        """Read and decode an image; one in the journal, or that cannot be read, is a result already."""
        try:
            data = read_file(self.filesystem, path)
        except OSError as error:
            message = f"'{_printable(path)}' cannot be read ({error})."
            return Inspected(row_of(path, error=message), None)
        inspector, sha256 = self.inspector, hashlib.sha256(data).hexdigest()
        key = key_of(inspector.model_id, _raw(path), data)
        needed = row_of("").keys() - ADDED.keys()
        entry = read_entry(self.files, key, needed)
        if entry is not None and not is_to_draw_anew(entry, inspector):
            now = verdict_now(inspector, entry["row"]["image_score"])
            return Inspected(ADDED | entry["row"] | now | {"sha256": sha256}, key)
        try:
            image = getattr(inspector, "read", read_image)(data, _printable(path))
        except InputError as error:
            return Inspected(row_of(path, error=str(error), sha256=sha256), None)
        former = (key_of(inspector.model_id, _raw(path), data, one) for one in FORMER_VERSIONS)
        is_former = any(entry_file(one) in self.files for one in former)
        return _Opened(path, key, sha256, is_former, image, entry)

    def _inspect(self, image: _Opened | Inspected) -> _Found | Inspected:
        if isinstance(image, Inspected):
            return image
        inspector = self.inspector
        try:
            inspection = (
                inspection_in(image.entry, inspector, image.pixels.shape[:2])
                if image.entry
                else inspector.inspect(image.pixels)
            )
        except InputError as error:  # features or scores that are not finite
            return Inspected(row_of(image.path, reason=str(error), sha256=image.sha256), None)
        inspection = of_score(inspector, inspection)
        is_explained = inspection.shows_part and inspection.verdict != GOOD
        nearest = inspector.explain(inspection) if is_explained else []
        return _Found(image, inspection, nearest)

    def _store(self, found: _Found | Inspected) -> Inspected:
        if isinstance(found, Inspected):
            return found
        image, inspection, files = found.image, found.inspection, self.files
        if not inspection.shows_part:  # so that no score is there to give a verdict later
            row = row_of(image.path, reason=inspection.reason, sha256=image.sha256)
            files[image_file(image.key)] = jpeg(shown(image.pixels, LARGE_SIDE))
            view = plain_picture_of(image.pixels, image.pixels.shape[:2])
            files[entry_file(image.key)] = json.dumps({"row": row, "view": view}).encode()
            return Inspected(row, image.key, image.has_former_verdict)
        scale = ColourScale.of(self.inspector.calibration)
        threshold, overlay = self.inspector.pixel_threshold, _overlay_name(image.path, image.key)
        row = row_of(image.path, inspection, overlay=overlay, sha256=image.sha256)
        if image.entry:
            row["time"] = image.entry["row"]["time"]
        view = view_of(image.pixels, inspection, found.nearest, scale, threshold)
        side = LARGE_SIDE if inspection.verdict == GOOD else OVERLAY_SIDE
        files[overlay] = jpeg(draw_overlay(image.pixels, inspection, scale, threshold, side))
        files[image_file(image.key)] = jpeg(shown(image.pixels, LARGE_SIDE))
        # Written last: if it exists, the others exist too.
        files[entry_file(image.key)] = entry_of(inspection, row, view, threshold)
        return Inspected(row, image.key, image.has_former_verdict)


def row_of(
    path: str,
    inspection: "Inspection | None" = None,
    *,
    overlay: str = "",
    error: str = "",
    reason: str = "",
    sha256: str = "",
) -> dict[str, Any]:
    """Describe an image by its inspection, or by why there is none: an error in reading it, or in scoring it."""
    without: Verdict = UNREADABLE if error else UNDECIDED
    pose = inspection.pose if inspection else None
    return {
        "path": _printable(path),
        "image_score": float(inspection.image_score) if inspection else None,
        "global_score": float(inspection.global_score) if inspection else None,
        "p_value": float(inspection.p_value) if inspection else None,
        "verdict": inspection.verdict if inspection else without,
        "defect_area": sum(int(d.area) for d in inspection.defects) if inspection else 0,
        "boxes": json.dumps(
            [[int(side) for side in d.box] for d in inspection.defects] if inspection else []
        ),
        **{f"pose_{name}": pose and pose[name] for name in POSE},
        "zone": inspection.zone if inspection else "",
        "seconds": float(inspection.seconds) if inspection else None,
        "error": error,
        "reason": inspection.reason if inspection else reason,
        "overlay": overlay,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "sha256": sha256,
        "mean_features": text_of(inspection.mean_features) if inspection else None,
    }


def _overlay_name(path: str, key: str) -> str:
    """Build the name of an overlay, such as ``overlays/bolt/0012.png-1a2b3c4d.jpg``; content and model change it."""
    file = PurePosixPath(_printable(path))
    name = file.name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    parts = map(portable_name, (*file.parent.parts, f"{name}-{key[:8]}.jpg"))
    return PurePosixPath(OVERLAYS, *parts).as_posix()


def _raw(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def _printable(path: str) -> str:
    """Replace bytes of a path that are not text; names of files from other systems may contain them."""
    return _raw(path).decode(errors="replace")
