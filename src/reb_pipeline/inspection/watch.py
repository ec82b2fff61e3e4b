"""Inspection of a folder that grows: each image once, as soon as it is whole."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reb_pipeline.core.folder_files import Files
from reb_pipeline.images.folder import FolderListing, list_images
from reb_pipeline.inspection.folder import Inspected, inspect_images

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from reb_pipeline.inspection.inspector import Inspector

POLL_SECONDS = 1.0
SETTLED_SECONDS = 2.0  # without a change until a file counts as written


@dataclass(frozen=True)
class _Seen:
    """State of a file, and the moment since which it has had this state."""

    state: str
    since: float
    is_done: bool = False


def watch(inspector: "Inspector", folder: str, files: Files) -> Iterator[list[Inspected]]:
    """Inspect the images of a folder, and then those that come, without an end.

    A file is inspected when neither its size nor its times have changed for :data:`SETTLED_SECONDS`. A result is
    dropped if the file changes meanwhile, and a file that changes later is inspected again. Images of formats that are
    not read, and folders that cannot be listed, are results too, each once.

    Args:
        inspector: The model.
        folder: Path or URL of the folder.
        files: See :func:`reb_pipeline.inspection.folder.inspect_folder`.

    Yields:
        New results, each with the verdict of its own score; an empty list where a pass finds nothing new.

    Raises:
        InputError: If the folder is missing.
    """
    seen: dict[str, _Seen] = {}
    named: set[str] = set()  # what is not read and may be a part
    while True:
        filesystem, found = list_images(folder, may_be_empty=True)
        fresh = []
        for path in found.images:
            if not _is_settled(filesystem, path, seen):
                continue
            state = seen[path].state
            one = inspect_images(inspector, filesystem, FolderListing([path], {}), files)
            if _state(filesystem, path) == state:
                seen[path] = replace(seen[path], is_done=True)
                fresh += one
        for kind, paths in found.not_read.items():
            if new := [path for path in paths if path not in named]:
                fresh += inspect_images(
                    inspector, filesystem, FolderListing([], {kind: new}), files
                )
                named.update(new)
        yield fresh
        time.sleep(POLL_SECONDS)


def _is_settled(filesystem: "AbstractFileSystem", path: str, seen: dict[str, _Seen]) -> bool:
    """Note the state of a file; True if it is to be inspected now."""
    state, now = _state(filesystem, path), time.monotonic()
    before = seen.get(path)
    if before is None or before.state != state:
        seen[path] = _Seen(state, now)
        return False
    return bool(state) and not before.is_done and now - before.since >= SETTLED_SECONDS


def _state(filesystem: "AbstractFileSystem", path: str) -> str:
    """Hash size and times of a file; empty if it is gone."""
    try:
        return str(filesystem.ukey(path))
    except OSError:
        return ""
