"""Storage that cannot be written: full and read-only disks, in one sentence each."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.temporary import PREFIX

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
READ_ONLY = frozenset({errno.EROFS})
FORBIDDEN = READ_ONLY | {errno.EACCES, errno.EPERM}
_UNIT = 1000


class StorageError(OSError, InputError):
    """Error of a file that cannot be written; the message is one sentence."""


@contextmanager
def writing(path: str | Path, n_bytes: int = 0) -> Iterator[None]:
    """Describe errors of a full or read-only disk while a file is written; other errors stay as they are.

    Args:
        path: The file.
        n_bytes: Least size of the whole file; 0 if it is not known.

    Raises:
        StorageError: If the disk is full or cannot be written.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno not in FULL | FORBIDDEN:
            raise
        raise storage_error(error, path, n_bytes) from error


def size_text(n_bytes: int) -> str:
    """Write a number of bytes with its unit, such as 3.2 MB."""
    value = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < _UNIT:
            return f"{value:.3g} {unit}"
        value /= _UNIT
    return f"{value:.3g} TB"


def storage_error(error: OSError, path: str | Path | None, n_bytes: int = 0) -> StorageError:
    """Create the error of a file that cannot be written, for an error of :data:`FULL` or :data:`FORBIDDEN`.

    Args:
        error: The error of the operating system.
        path: The file; None if it is not known.
        n_bytes: Least size of the whole file; 0 if it is not known.
    """
    reason = os.strerror(error.errno or 0)
    if path is None:
        return StorageError(
            f"A file cannot be written ({reason}): make room in the folder of the outputs and in the temporary folder "
            f"'{tempfile.gettempdir()}', or let TMPDIR name another one, and run again."
        )
    folder = _folder_that_is_there(path)
    name = "let TMPDIR name a folder" if _is_temporary(path) else "give a folder"
    if error.errno in FULL:
        needed = f"it takes at least {size_text(n_bytes)}, and " if n_bytes else ""
        free = size_text(shutil.disk_usage(folder).free)
        remedy = (
            f"{needed}{free} are free there; make room, or {name} of a larger disk, and run again"
        )
    else:
        # Windows replaces no file that another program has open.
        close = "close it where it is open, " if os.path.isfile(path) else ""
        remedy = f"{close}allow to write in '{folder}', or {name} that can be written"
    return StorageError(f"'{path}' cannot be written ({reason}): {remedy}.")


def check_writable(path: str | Path) -> None:
    """Check that a file, and the folders that it lacks, can be made.

    Raises:
        StorageError: If the disk is read-only, or permission is missing.
    """
    folder = _folder_that_is_there(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        # Windows says no more than that the folder cannot be written.
        is_read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        raise storage_error(OSError(errno.EROFS if is_read_only else errno.EACCES, ""), path)


def mapped_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Create a .npy file and map it into memory, with its disk space reserved.

    Args:
        path: The file.
        dtype: Dtype of the array.
        shape: Shape of the array.

    Raises:
        StorageError: If the disk has too little space.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with writing(path, n_bytes):
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        with path.open("r+b") as file:
            reserve(file.fileno(), path.stat().st_size)
    return array


def reserve(descriptor: int, n_bytes: int) -> None:
    """Reserve the disk space of a file, where the operating system can.

    Without it, writing to a memory map of the file ends the process by a bus error when the disk is full.

    Raises:
        OSError: If the disk has too little space.
    """
    if hasattr(os, "posix_fallocate") and n_bytes:
        os.posix_fallocate(descriptor, 0, n_bytes)


def _is_temporary(path: str | Path) -> bool:
    """Return True for what this project and tempfile make; outputs may lie in the temporary folder too."""
    folder = tempfile.gettempdir()
    return str(path).startswith((f"{folder}/{PREFIX}", f"{folder}/{tempfile.gettempprefix()}"))


def _folder_that_is_there(path: str | Path) -> Path:
    return next((folder for folder in Path(path).absolute().parents if folder.is_dir()), Path("/"))
