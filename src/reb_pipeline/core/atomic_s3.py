"""Files on S3 that appear only once they are whole; closing a file after an error would upload what there is of it."""

from typing import Any

from fsspec.asyn import sync
from s3fs import S3FileSystem
from s3fs.core import S3File

from reb_pipeline.core.atomic import Abandonable, AtomicText


class _AtomicS3File(Abandonable, S3File):
    """An upload that an error in its ``with`` block aborts."""

    closed: bool

    def abandon(self) -> None:
        """Leave nothing of what was written."""
        if not self.closed:
            self.discard()
            self.closed = True


class AtomicS3FileSystem(S3FileSystem):
    """S3, where writing a whole file ("w", "wb") succeeds or leaves nothing, not even in place of an older file."""

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file as fsspec does; see the class for what differs."""
        if mode not in ("w", "wt"):
            return super().open(path, mode, **kwargs)
        text_args = {
            name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs
        }
        return AtomicText(super().open(path, "wb", **kwargs), **text_args)

    # fsspec's own versions of these two are closures, which keep the datasets that hold them from being pickled.

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is an object or a folder."""
        return bool(sync(self.loop, self._exists, path, **kwargs))

    def glob(self, path: str, **kwargs: Any) -> Any:
        """Find paths by a pattern."""
        return sync(self.loop, self._glob, path, **kwargs)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> S3File:
        file = super()._open(path, mode, **kwargs)
        if mode != "rb":
            file.__class__ = _AtomicS3File  # s3fs names its class itself
        return file
