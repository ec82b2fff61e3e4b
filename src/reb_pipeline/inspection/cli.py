"""Command ``reb-inspect``: inspect a folder of new images with a packaged model, without Kedro."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from fsspec.implementations.dirfs import DirFileSystem

    from reb_pipeline.core.folder_files import Files

_DESCRIPTION = """\
Inspect all images of a folder with a packaged model. Writes into the output folder: report.html, inspections.csv and
inspections.parquet, overlays/, and journal/, from which an interrupted run resumes."""
_EXIT_STATUS = """\
Exit status: 0 if all images are inspected, with any verdict; 2 if an argument cannot be used, or if the model can
call no part good or defective; 130 if interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Inspect a folder.

    Args:
        arguments: Arguments of the command line; None for those of the process.

    Returns:
        Exit status: 0, 2 after an :class:`InputError`, 130 after Ctrl-C.
    """
    given = _parser().parse_args(arguments)
    try:
        _inspect(**vars(given))
    except InputError as error:
        message, status = f"Error: {error}", 2
    except KeyboardInterrupt:
        message, status = "Interrupted: what is done is kept, and the same command goes on.", 130
    else:
        return 0
    sys.stderr.write(f"{message}\n")  # after the progress bar is closed
    return status


def _inspect(folder: str, model: str, output: str, engine: str, allow_undecided: bool) -> None:
    from reb_pipeline.calibration.verdicts import check_can_flag
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.inspection.folder import (
        csv_of,
        inspect_folder,
        not_inspected,
        summary_of,
        table_of,
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
        table = table_of(inspected)
        files["inspections.parquet"] = table.to_parquet(index=False)
        files["inspections.csv"] = csv_of(table.drop(columns="mean_features"))
        left_out = not_inspected(listing)
        page = report_page(inspector, folder, inspected, files, left_out)
        files["report.html"] = page.encode(errors="replace")
    except OSError as error:
        msg = f"Results cannot be written to '{output}' ({error}): free space there, or give another --output."
        raise InputError(msg) from error
    lines = [summary_of(inspected), left_out, f"{output.rstrip('/')}/report.html"]
    sys.stdout.write("".join(f"{line}\n" for line in lines if line))


def _output_files(output: str, images: "DirFileSystem", folder: str) -> "Files":
    """Open the output folder as a mapping.

    Raises:
        InputError: If it lies inside the inspected folder, so that the next run would inspect its files.
    """
    import fsspec

    from reb_pipeline.core import atomic
    from reb_pipeline.core.folder_files import FolderFiles

    atomic.register()  # no file is left half-written
    filesystem, inner = fsspec.url_to_fs(output)
    is_inside = f"{inner.rstrip('/')}/".startswith(f"{images.path.rstrip('/')}/")
    if is_inside and images.fs == filesystem:  # the paths in an archive are those of no other place
        msg = (
            f"The output '{output}' is inside of the inspected folder '{folder}', so that the next run would inspect "
            f"overlays: give --output another place."
        )
        raise InputError(msg)
    return FolderFiles(inner, filesystem)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("reb-inspect", description=_DESCRIPTION, epilog=_EXIT_STATUS)
    parser.add_argument("folder", help="path or URL of the images, folders below it included")
    parser.add_argument("--model", required=True, help="folder of the packaged model")
    parser.add_argument("--output", default="inspection", help="output folder, default %(default)s")
    parser.add_argument(
        "--engine",
        default="onnxruntime",
        choices=["onnxruntime", "openvino"],
        help="engine of the network, default %(default)s",
    )
    parser.add_argument(
        "--allow-undecided",
        action="store_true",
        help="inspect with a model that can call no part good or defective, for its scores and maps",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
