"""Atomic files: a file appears under its name only when it is complete.

Kedro loads the newest version that exists. So a file cut off by a full disk, an error, a kill or a power cut must never
have the name of a finished one, whichever dataset writes it.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from glob import escape
from types import TracebackType
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem, get_umask

from reb_pipeline.core.installing import install_command
from reb_pipeline.core.storage import writing

_LOCAL, _S3 = ("file", "local"), ("s3", "s3a")
ATOMIC_PROTOCOLS = _LOCAL + _S3
_MODE = 0o666
COMMIT_WAITS = (0.05, 0.1, 0.2, 0.4)  # seconds between attempts to move a file to its name


class Abandonable:
    """File that its ``with`` block closes on success and abandons after an error."""

    close: Callable[[], None]
    abandon: Callable[[], None]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abandon()


class _NamedFile(io.FileIO):
    """Unbuffered file whose errors name the target of the bytes, whichever call writes them."""

    def __init__(self, descriptor: int, target: str) -> None:
        super().__init__(descriptor, "wb")
        self._target = target

    def write(self, data: Any) -> int:
        """Write bytes.

        Raises:
            StorageError: If the disk is full.
        """
        with writing(self._target, self.tell() + memoryview(data).nbytes):
            return super().write(data)


class _AtomicFile(Abandonable, LocalFileOpener):
    """File that is written beside its target and moved over the target when it is closed without error."""

    def _open(self) -> None:
        folder, name = os.path.split(self.path)
        # A file of the same folder is on the same disk, where a move is one step.
        with writing(self.path):
            descriptor, self.temp = tempfile.mkstemp(
                prefix=f".{name}.", suffix=".partial", dir=folder
            )
        self.f = io.BufferedWriter(_NamedFile(descriptor, self.path))

    def close(self) -> None:
        """Move the file to its name; remove it if writing the last bytes or the move fails.

        The bytes are on the disk before the name is, so that after a power cut the name stands for the whole file. The
        name is not waited for: a lost one is a file that is missing, and that the next run makes.
        """
        if self.closed:
            return
        try:
            with writing(self.path, self.f.tell()):
                self.f.flush()
                os.fsync(self.f.fileno())
                self.f.close()
                self.commit()
        except BaseException:
            self._drop()
            raise

    def abandon(self) -> None:
        """Close the file and remove it."""
        if not self.closed:
            self._drop()

    def commit(self) -> None:
        """Move the file to its name, with the permissions of a new file.

        On Windows nothing replaces a file that another program has open, as virus scanners do for moments. fsspec would
        take that for success, and leave the former file.

        Raises:
            PermissionError: If it stays open, or there is no permission.
        """
        os.chmod(self.temp, _MODE & ~get_umask(_MODE))
        for seconds in COMMIT_WAITS:
            with suppress(PermissionError):
                os.replace(self.temp, self.path)
                return
            time.sleep(seconds)
        os.replace(self.temp, self.path)

    def _drop(self) -> None:
        with suppress(OSError):  # the last bytes may not fit on the disk, and are not needed
            self.f.close()
        self.discard()

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(FileNotFoundError):
            super().discard()


class AtomicText(Abandonable, io.TextIOWrapper):
    """Text wrapper of a file that can be abandoned; the plain wrapper would finish the file after any error."""

    buffer: Any

    def close(self) -> None:
        """Close the file; abandon it if writing the last characters fails."""
        try:
            if not self.closed:
                self.flush()
        except BaseException:
            self.buffer.abandon()
            raise
        super().close()

    def abandon(self) -> None:
        """Abandon the file that the text is written to."""
        self.buffer.abandon()


class AtomicLocalFileSystem(LocalFileSystem):
    """Local file system where writing a whole file ("w", "wb") succeeds or leaves nothing.

    Appending, compression, fsspec transactions, and writing to a device or a pipe stay as in fsspec.
    """

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file as fsspec does, but atomically where the class says so."""
        if mode not in ("w", "wt"):
            return super().open(path, mode, **kwargs)
        text_args = {
            name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs
        }
        file = super().open(path, "wb", **kwargs)
        wrapper = AtomicText if isinstance(file, _AtomicFile) else io.TextIOWrapper
        return wrapper(file, **text_args)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create folders as fsspec does.

        Raises:
            StorageError: If the disk is full or cannot be written.
        """
        with writing(path):
            super().makedirs(path, exist_ok=exist_ok)

    def glob(self, path: str, **kwargs: Any) -> Any:
        """List the paths that match a pattern; brackets in the name of a folder that is there are no pattern."""
        folder = path.partition("*")[0].rpartition("/")[0]
        if any(sign in folder for sign in "[?") and self.isdir(folder):
            path = escape(folder) + path[len(folder) :]
        return super().glob(path, **kwargs)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        **kwargs: Any,
    ) -> LocalFileOpener:
        is_special = self.exists(path) and not self.isfile(path)
        if mode != "wb" or not autocommit or is_special:
            return super()._open(path, mode, block_size, autocommit=autocommit, **kwargs)
        if self.auto_mkdir:
            self.makedirs(self._parent(path), exist_ok=True)
        # A move onto a link would replace the link instead of writing to its target.
        return _AtomicFile(os.path.realpath(path), mode, autocommit=False, fs=self, **kwargs)


def register() -> None:
    """Make local files and objects on S3 atomic for every dataset created after this call."""
    for protocol in _LOCAL:
        fsspec.register_implementation(protocol, AtomicLocalFileSystem, clobber=True)
    for protocol in _S3:  # by name, because its library is slow to import
        fsspec.register_implementation(
            protocol,
            "reb_pipeline.core.atomic_s3.AtomicS3FileSystem",
            clobber=True,
            errtxt=f"S3 needs the package s3fs, which is not installed: run `{install_command('s3')}`.",
        )
