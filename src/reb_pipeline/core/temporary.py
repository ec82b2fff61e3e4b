"""Temporary folders that the next process removes if the one that made them was killed."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "reb-pipeline-"
GRACE_SECONDS = 60.0  # between the creation of a folder and its lock


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create a folder for the time of a ``with`` block; remove those that killed processes left.

    A folder is locked while a process uses it, so that another machine or container with the same temporary folder does
    not remove it. On systems without such locks nothing is removed but the own folder.
    """
    remove_leftovers()
    with tempfile.TemporaryDirectory(
        prefix=PREFIX,
        ignore_cleanup_errors=True,  # on Windows a mapped file stays until its array is gone
    ) as folder:
        descriptor = _lock(folder)
        try:
            yield Path(folder)
        finally:
            if descriptor is not None:
                os.close(descriptor)


def remove_leftovers() -> None:
    """Remove the temporary folders that killed processes left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, or removed by another process
            if time.time() - folder.stat().st_mtime < GRACE_SECONDS:
                continue
            descriptor = _lock(folder)
            if descriptor is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def _lock(folder: str | Path) -> int | None:
    """Lock a folder until the descriptor is closed; None if another process has it, or there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
