"""Files that appear under their name only once they are whole, whatever dataset writes them.

Kedro takes the newest version that is there, so a file cut off by a full disk, an error or a kill
must never bear the name of a finished one.
"""

import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem

_LOCAL, _S3 = ("file", "local"), ("s3", "s3a")
ATOMIC_PROTOCOLS = _LOCAL + _S3


class Abandonable:
    """A file that its ``with`` block closes, or abandons after an error."""

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


class _AtomicFile(Abandonable, LocalFileOpener):
    """A file written beside its target and moved over it by a clean close."""

    def _open(self) -> None:
        folder, name = os.path.split(self.path)
        # The same folder is the same disk, where a move is one step.
        descriptor, self.temp = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
        self.f = os.fdopen(descriptor, self.mode)

    def close(self) -> None:
        """Move the file to its name; leave nothing if the last bytes or the move fail."""
        if self.closed:
            return
        try:
            self.f.close()
            self.commit()
        except BaseException:
            self.discard()
            raise

    def abandon(self) -> None:
        """Leave nothing of what was written."""
        if not self.closed:
            with suppress(OSError):  # bytes that no longer fit on the disk are not wanted either
                self.f.close()
            self.discard()

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(FileNotFoundError):
            super().discard()


class AtomicText(Abandonable, io.TextIOWrapper):
    """Text over a file that can be abandoned; the plain wrapper closes it cleanly after any error."""

    buffer: Any

    def close(self) -> None:
        """Close the file, or leave nothing if the last characters fail."""
        try:
            if not self.closed:
                self.flush()
        except BaseException:
            self.buffer.abandon()
            raise
        super().close()

    def abandon(self) -> None:
        """Leave nothing of what was written."""
        self.buffer.abandon()


class AtomicLocalFileSystem(LocalFileSystem):
    """The local file system, whose writes of a whole file ("w", "wb") succeed or leave nothing.

    Appending, compressing while writing, fsspec transactions, and writing to what is no regular
    file (a device, a pipe) stay as fsspec does them.
    """

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file as fsspec does; see the class for what differs."""
        if mode not in ("w", "wt"):
            return super().open(path, mode, **kwargs)
        text_args = {
            name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs
        }
        file = super().open(path, "wb", **kwargs)
        wrapper = AtomicText if isinstance(file, _AtomicFile) else io.TextIOWrapper
        return wrapper(file, **text_args)

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
        # Writing to a link writes to what it points to, which a move onto the link would not.
        return _AtomicFile(os.path.realpath(path), mode, autocommit=False, fs=self, **kwargs)


def register() -> None:
    """Make local files and objects on S3 atomic for every dataset created from now on."""
    for protocol in _LOCAL:
        fsspec.register_implementation(protocol, AtomicLocalFileSystem, clobber=True)
    for protocol in _S3:  # by name, because its library is slow to import
        fsspec.register_implementation(
            protocol,
            "reb_pipeline.core.atomic_s3.AtomicS3FileSystem",
            clobber=True,
            errtxt="S3 needs the package s3fs, which is not installed: run `pip install -e '.[s3]'`.",
        )
