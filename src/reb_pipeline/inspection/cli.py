"""Command ``reb inspect``: inspect a folder of new images with a packaged model, without Kedro."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reb_pipeline.core.command_line import PLACE, SETTINGS, resumable, run
from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from fsspec.implementations.dirfs import DirFileSystem

    from reb_pipeline.core.folder_files import Files


@click.command(context_settings=SETTINGS)
@click.argument("folder", type=PLACE)
@click.option("--model", type=PLACE, required=True, help="Folder of the packaged model.")
@click.option("--output", type=PLACE, default="inspection", help="Output folder.")
@click.option(
    "--engine",
    type=click.Choice(["onnxruntime", "openvino"]),
    default="onnxruntime",
    help="Engine of the network.",
)
@click.option(
    "--allow-undecided",
    is_flag=True,
    help="Inspect with a model that can call no part good or defective, for its scores and maps.",
)
def command(folder: str, model: str, output: str, engine: str, allow_undecided: bool) -> None:
    """Inspect all images of FOLDER, a path or URL, and of folders below it with a packaged model.

    Writes into the output folder: report.html, inspections.csv and, where PyArrow is installed, inspections.parquet,
    overlays/, and journal/, from which an interrupted run resumes.

    Exit status: 0 if all images are inspected, with any verdict; 2 if an argument cannot be used, or if the model can
    call no part good or defective; 130 if interrupted.
    """
    with resumable():
        _inspect(folder, model, output, engine, allow_undecided)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``reb-inspect``, which is ``reb inspect``."""
    return run(command, "reb-inspect", arguments)


def _inspect(folder: str, model: str, output: str, engine: str, allow_undecided: bool) -> None:
    from reb_pipeline.calibration.verdicts import check_can_flag
    from reb_pipeline.core.storage import StorageError
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.inspection.folder import (
        csv_of,
        inspect_folder,
        not_inspected,
        parquet_of,
        rows_of,
        summary_of,
    )
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.report import report_page

    images, listing = list_images(folder)
    files = _output_files(output, images, folder)
    inspector = Inspector.load(model, engine=engine)
    if not allow_undecided:
        check_can_flag(inspector.calibration, inspector.name, "--allow-undecided")
    try:
        inspected = inspect_folder(inspector, folder, files, "images inspected")
        rows = rows_of(inspected)
        try:
            files["inspections.parquet"] = parquet_of(rows)
            without = ""
        except ImportError:
            without = "inspections.parquet is not written: it needs `pip install pyarrow`."
        for row in rows:
            del row["mean_features"]  # hundreds of numbers
        files["inspections.csv"] = csv_of(rows)
        left_out = not_inspected(listing)
        page = report_page(inspector, folder, inspected, files, left_out)
        files["report.html"] = page.encode(errors="replace")
    except StorageError:
        raise
    except OSError as error:
        msg = f"Results cannot be written to '{output}' ({error}): free space there, or give another --output."
        raise InputError(msg) from error
    lines = [summary_of(inspected), left_out, without, f"{output.rstrip('/')}/report.html"]
    sys.stdout.write("".join(f"{line}\n" for line in lines if line))


def _output_files(output: str, images: "DirFileSystem", folder: str) -> "Files":
    """Open the output folder as a mapping.

    Raises:
        InputError: If it lies inside the inspected folder, so that the next run would inspect its files, or cannot be
            written.
    """
    import fsspec

    from reb_pipeline.core import atomic
    from reb_pipeline.core.folder_files import FolderFiles
    from reb_pipeline.core.storage import check_writable

    atomic.register()  # no file is left half-written
    filesystem, inner = fsspec.url_to_fs(output)
    is_inside = f"{inner.rstrip('/')}/".startswith(f"{images.path.rstrip('/')}/")
    if is_inside and images.fs == filesystem:  # the paths in an archive are those of no other place
        msg = (
            f"The output '{output}' is inside of the inspected folder '{folder}', so that the next run would inspect "
            f"overlays: give --output another place."
        )
        raise InputError(msg)
    if isinstance(filesystem, atomic.AtomicLocalFileSystem):
        check_writable(f"{inner}/report.html")
    return FolderFiles(inner, filesystem)


if __name__ == "__main__":
    sys.exit(main())
