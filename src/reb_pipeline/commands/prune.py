"""Command ``reb prune``: show what runs stored, and remove what no kept run needs."""

import sys
from pathlib import Path

import click

from reb_pipeline.core.command_line import PLACE, SETTINGS
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import size_text


@click.command(context_settings=SETTINGS)
@click.argument("output_root", type=PLACE)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    help="Number of finished runs, the newest, whose results stay complete.",
)
@click.option("--yes", is_flag=True, help="Remove what is shown; without it nothing is changed.")
def command(output_root: str, keep: int, yes: bool) -> None:
    """Show what runs stored in OUTPUT_ROOT, a local folder, and remove what no kept run needs.

    Never removed: what a kept run made or read, the newest version of every dataset, what belongs to no
    known run, checkpoints, and inspections with their journals.

    Exit status: 0 if the table is shown and, with --yes, all is removed; 2 if an argument cannot be used, or while a
    run writes to the folder.
    """
    from reb_pipeline.project import stored

    if "://" in output_root:
        msg = f"'{output_root}' is no local folder: remove old versions there by the rules of that storage."
        raise InputError(msg)
    root = Path(output_root)
    lock = stored.lock_folder(root)
    try:
        found = stored.survey(root, keep)
        size = size_text(sum(part.n_bytes for part in found.removable))
        sys.stdout.write(f"{found.table()}\n\n")
        if yes:
            stored.remove(found)
    finally:
        lock.release()
    if not found.removable:
        said = "There is nothing to remove."
    elif yes:
        said = f"{size} were removed."
    else:
        said = f"Nothing was removed: add --yes to remove {size}."
    sys.stdout.write(f"{said}\n")
