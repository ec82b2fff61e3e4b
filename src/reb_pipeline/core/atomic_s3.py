"""Atomic files on S3; without this, closing a file after an error would upload an incomplete object."""

from typing import Any

from fsspec.asyn import sync
from s3fs import S3FileSystem
from s3fs.core import S3File

from reb_pipeline.core.atomic import Abandonable, AtomicText


class _AtomicS3File(Abandonable, S3File):
    """Upload that an error in its ``with`` block aborts."""

    closed: bool

    def abandon(self) -> None:
        """Abort the upload."""
        if not self.closed:
            self.discard()
            self.closed = True


class AtomicS3FileSystem(S3FileSystem):
    """S3 file system where writing a whole file ("w", "wb") succeeds or changes nothing; an older object stays."""

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file as fsspec does, but atomically for writing."""
        if mode not in ("w", "wt"):
            return super().open(path, mode, **kwargs)
        text_args = {
            name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs
        }
        return AtomicText(super().open(path, "wb", **kwargs), **text_args)

    # fsspec's versions of these two methods are closures, which cannot be pickled with the datasets that hold them.

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Return True if an object or a folder has this path."""
        return bool(sync(self.loop, self._exists, path, **kwargs))

    def glob(self, path: str, **kwargs: Any) -> Any:
        """Find paths by a pattern."""
        return sync(self.loop, self._glob, path, **kwargs)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> S3File:
        file = super()._open(path, mode, **kwargs)
        if mode != "rb":
            file.__class__ = _AtomicS3File  # s3fs names its class itself
        return file
