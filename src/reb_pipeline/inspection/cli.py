"""Command ``reb inspect``: inspect new images with a packaged model, without Kedro."""

import os
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from reb_pipeline.core.command_line import PLACE, SETTINGS, resumable, run
from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.places import reaching
from reb_pipeline.inspection.model_options import load_inspector, model_options

if TYPE_CHECKING:
    from fsspec.implementations.dirfs import DirFileSystem

    from reb_pipeline.core.folder_files import Files
    from reb_pipeline.inspection.folder import Inspected
    from reb_pipeline.inspection.inspector import Inspector

FORMATS = ("csv", "parquet", "json")
DEFAULT_FORMATS = ("csv", "parquet")
WRITE_SECONDS = 10.0  # between two reports on a folder that is watched


class Verdicts(click.ParamType):
    """Verdicts separated by commas."""

    name = "verdicts"

    def convert(
        self,
        value: str | tuple[str, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, ...]:
        """Split and check the verdicts."""
        from reb_pipeline.calibration.verdicts import GOOD, VERDICTS

        if isinstance(value, tuple):
            return value
        given = tuple(name.strip() for name in value.split(",") if name.strip())
        known = [name for name in VERDICTS if name != GOOD]
        try:
            check_known(given, known, "Verdict")
        except InputError as error:
            self.fail(str(error))
        return given


@click.command(context_settings=SETTINGS)
@click.argument("photos", type=PLACE, nargs=-1, required=True)
@model_options
@click.option("--output", type=PLACE, default="inspection", help="Output folder.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    default=DEFAULT_FORMATS,
    help="Format of the table; can be repeated.",
)
@click.option(
    "--fail-on",
    type=Verdicts(),
    default=(),
    metavar="VERDICTS",
    help="End with exit status 1 if a part has one of these verdicts, such as defective,unreadable.",
)
@click.option("--watch", is_flag=True, help="Go on and inspect the images that come, until Ctrl-C.")
def command(
    photos: tuple[str, ...],
    output: str,
    formats: tuple[str, ...],
    fail_on: tuple[str, ...],
    watch: bool,
    **model: Any,
) -> int:
    """Inspect PHOTOS with a packaged model: one folder with all folders below it, a path or URL; or image files.

    Writes into the output folder: report.html, inspections.csv and, where PyArrow is installed, inspections.parquet,
    overlays/, and journal/, from which an interrupted run resumes. A photo in the journal is not inspected again: its
    verdict follows from its score.

    Exit status: 0 if all images are inspected, with any verdict; 1 if one has a verdict of --fail-on; 2 if an argument
    cannot be used, or if the model can call no part good or defective; 130 if interrupted.
    """
    with resumable():
        results = Results(output, formats, photos)
        inspected = _watch(results, model) if watch else _inspect(results, model)
    return int(any(one.row["verdict"] in fail_on for one in inspected))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``reb-inspect``, which is ``reb inspect``."""
    return run(command, "reb-inspect", arguments)


@dataclass(frozen=True)
class Results:
    """Place and form of the results.

    Attributes:
        output: Path or URL of the output folder.
        formats: Formats of the table, of :data:`FORMATS`.
        photos: The folder, or files, that are inspected.
    """

    output: str
    formats: tuple[str, ...]
    photos: tuple[str, ...]

    @property
    def title(self) -> str:
        """Photos as the report names them."""
        more = f" and {len(self.photos) - 1} more" if len(self.photos) > 1 else ""
        return f"{self.photos[0]}{more}"

    def write(
        self,
        inspector: "Inspector",
        inspected: "Sequence[Inspected]",
        files: "Files",
        left_out: str = "",
    ) -> list[str]:
        """Write the table and the report.

        Returns:
            Lines for the user.

        Raises:
            InputError: If they cannot be written.
        """
        from reb_pipeline.core.storage import StorageError
        from reb_pipeline.inspection.folder import summary_of
        from reb_pipeline.inspection.report import report_page

        try:
            without = self._write_table(inspected, files)
            page = report_page(inspector, self.title, inspected, files, left_out)
            files["report.html"] = page.encode(errors="replace")
        except StorageError:
            raise
        except OSError as error:
            raise self.unwritable(error) from error
        report = f"{self.output.rstrip('/')}/report.html"
        return [line for line in (summary_of(inspected), left_out, without, report) if line]

    def unwritable(self, error: OSError) -> InputError:
        """Create the error of results that cannot be written."""
        return InputError(
            f"Results cannot be written to '{self.output}' ({error}): free space there, or give another --output."
        )

    def _write_table(self, inspected: "Sequence[Inspected]", files: "Files") -> str:
        from reb_pipeline.inspection.folder import csv_of, json_of, parquet_of, rows_of

        rows, without = rows_of(inspected), ""
        if "parquet" in self.formats:
            try:
                files["inspections.parquet"] = parquet_of(rows)
            except ImportError as error:
                without = "inspections.parquet is not written: it needs `pip install pyarrow`."
                if self.formats == ("parquet",):
                    raise InputError(without) from error
        for row in rows:
            del row["mean_features"]  # hundreds of numbers
        if "csv" in self.formats:
            files["inspections.csv"] = csv_of(rows)
        if "json" in self.formats:
            files["inspections.json"] = json_of(rows)
        return without


def _inspect(results: Results, model: dict[str, Any]) -> "list[Inspected]":
    """Inspect what is there."""
    from reb_pipeline.core.storage import StorageError
    from reb_pipeline.images.folder import list_inputs
    from reb_pipeline.inspection.folder import inspect_parts, not_inspected

    _check_photos(results.photos)
    images, listing = list_inputs(results.photos)
    files = _output_files(results, images)
    inspector = load_inspector(**model)
    try:
        inspected = inspect_parts(inspector, images, listing, files, "images inspected")
    except StorageError:
        raise
    except OSError as error:
        raise results.unwritable(error) from error
    lines = results.write(inspector, inspected, files, not_inspected(listing))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return inspected


def _watch(results: Results, model: dict[str, Any]) -> "list[Inspected]":
    """Inspect what is there and what comes, until Ctrl-C."""
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.inspection.watch import watch

    _check_photos(results.photos)
    if len(results.photos) > 1:
        msg = f"--watch takes one folder, and {len(results.photos)} paths are given: leave the others out."
        raise InputError(msg)
    (folder,) = results.photos
    files = _output_files(results, list_images(folder, may_be_empty=True)[0])
    inspector = load_inspector(**model)
    found: dict[str, Inspected] = {}
    written, is_new = time.monotonic(), False
    sys.stdout.write(f"Watching '{folder}'; Ctrl-C ends it.\n")
    with suppress(KeyboardInterrupt):
        for fresh in watch(inspector, folder, files):
            found |= {one.row["path"]: one for one in fresh}
            for one in _judged(inspector, found, {one.row["path"] for one in fresh}):
                score = one.row["image_score"]
                about = f" (score {score:.4g})" if score is not None else ""
                part = f"part {one.row['part']} " if one.row.get("part") else ""
                sys.stdout.write(f"{one.row['path']}: {part}{one.row['verdict']}{about}\n")
            sys.stdout.flush()
            is_new |= bool(fresh)
            if is_new and time.monotonic() - written >= WRITE_SECONDS:
                results.write(inspector, _judged(inspector, found), files)
                written, is_new = time.monotonic(), False
    if found:
        lines = results.write(inspector, _judged(inspector, found), files)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return _judged(inspector, found)


def _judged(
    inspector: "Inspector", found: "dict[str, Inspected]", paths: Collection[str] | None = None
) -> "list[Inspected]":
    """List images by path with their verdicts, which are those of parts where parts have several views.

    Args:
        inspector: The model.
        found: All images so far.
        paths: Images to list; None for all.
    """
    from reb_pipeline.inspection.part_verdicts import by_part

    judged = by_part(inspector, [found[path] for path in sorted(found)])
    return [one for one in judged if paths is None or one.row["path"] in paths]


def _check_photos(photos: Sequence[str]) -> None:
    """Check that no model is among the photos, as after a pattern that the shell replaced by several models.

    Raises:
        InputError: If one is.
    """
    import fsspec

    from reb_pipeline.inspection.manifest import MANIFEST

    for path in photos:
        with reaching(f"'{path}' cannot be listed", "correct the path"):
            filesystem, place = fsspec.url_to_fs(path)
            is_model = bool(place) and filesystem.exists(f"{place.rstrip('/')}/{MANIFEST}")
        if is_model:
            msg = (
                f"'{path}' is a packaged model and no folder of photos: --model takes one model, and for the newest of "
                f"several versions the folder above them."
            )
            raise InputError(msg)


def _output_files(results: Results, images: "DirFileSystem") -> "Files":
    """Open the output folder as a mapping.

    Raises:
        InputError: If it lies inside the inspected folder, so that the next run would inspect its files, is a packaged
            model, cannot be written, or has marks that cannot be used.
    """
    import fsspec

    from reb_pipeline.core import atomic
    from reb_pipeline.core.folder_files import FolderFiles
    from reb_pipeline.core.storage import check_writable
    from reb_pipeline.inspection.manifest import MANIFEST
    from reb_pipeline.inspection.marks import saved_marks

    atomic.register()  # no file is left half-written
    with reaching(f"The output '{results.output}' cannot be opened", "give another --output"):
        filesystem, inner = fsspec.url_to_fs(results.output)
        is_model = filesystem.exists(f"{inner.rstrip('/')}/{MANIFEST}")
    is_local = isinstance(filesystem, atomic.AtomicLocalFileSystem)
    place, root = (os.path.realpath(p) if is_local else p for p in (inner, images.path))
    is_inside = f"{place.rstrip('/')}/".startswith(f"{root.rstrip('/')}/")
    are_files = len(results.photos) > 1 or _is_file(results.photos[0])
    # The paths in an archive are those of no other place.
    if is_inside and images.fs == filesystem and not are_files:
        msg = (
            f"The output '{results.output}' is inside of the inspected folder '{results.photos[0]}', so that the next "
            f"run would inspect overlays: give --output another place."
        )
        raise InputError(msg)
    if is_model:
        msg = f"The output '{results.output}' is a packaged model, which stays as it is: give --output another place."
        raise InputError(msg)
    if is_local:
        check_writable(f"{inner}/report.html")
    files = FolderFiles(inner, filesystem)
    saved_marks(files)  # a file that cannot be used is refused now, not after the inspection
    return files


def _is_file(path: str) -> bool:
    import fsspec

    filesystem, place = fsspec.url_to_fs(path)
    return bool(place) and bool(filesystem.isfile(place))


if __name__ == "__main__":
    sys.exit(main())
