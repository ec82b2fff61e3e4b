"""Marks of people on verdicts, stored by the service in one file."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reb_pipeline.core.atomic import AtomicLocalFileSystem
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import check_writable
from reb_pipeline.inspection.marks import Mark, marks_json, read_marks

MOST_MARKS = 10_000  # so that no client fills the disk, and a mark is written in milliseconds


class MarksFile:
    """File of marks, shared by the threads of a service and by services on the same machine.

    Args:
        path: The file, see :mod:`reb_pipeline.inspection.marks`; made at the first mark.

    Raises:
        InputError: If it is no file of marks, or cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from reb_pipeline.inspection.marks import Mark
        >>> with TemporaryDirectory() as folder:
        ...     marks = MarksFile(Path(folder) / "marks.json")
        ...     marks.put(Mark("0" * 64, "good", "missed", "2026-01-31T09:15:00Z"))
        ...     [mark.mark for mark in marks.read()]
        ['missed']
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        check_writable(path)
        if not path.parent.is_dir():
            msg = f"The folder of '{path}' is not there: make it, or give another file of marks."
            raise InputError(msg)
        self.read()

    def read(self) -> list[Mark]:
        """Read the marks, at most one of each image.

        Raises:
            InputError: If it is no file of marks, or cannot be read.
        """
        try:
            return read_marks(self._path.read_bytes(), str(self._path))
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"'{self._path}' cannot be read ({error}): give another file of marks."
            raise InputError(msg) from error

    def put(self, mark: Mark) -> None:
        """Store a mark in place of the former one of its image.

        Raises:
            InputError: If the file has :data:`MOST_MARKS` marks already, is no file of marks, or cannot be written.
        """
        with self._alone():
            marks = {one.image_sha256: one for one in self.read()} | {mark.image_sha256: mark}
            if len(marks) > MOST_MARKS:
                msg = f"'{self._path}' has {MOST_MARKS:,} marks: move it away, and start again."
                raise InputError(msg)
            self._write(list(marks.values()))

    def remove(self, image_sha256: str) -> None:
        """Remove the mark of an image, if there is one.

        Raises:
            InputError: If the file is no file of marks, or cannot be written.
        """
        with self._alone():
            marks = self.read()
            kept = [mark for mark in marks if mark.image_sha256 != image_sha256]
            if len(kept) < len(marks):
                self._write(kept)

    def _write(self, marks: list[Mark]) -> None:
        with AtomicLocalFileSystem().open(str(self._path), "wb") as file:
            file.write(marks_json(marks))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads, and other processes of this machine, from writing between reading and writing."""
        with self._lock:
            try:
                import fcntl
            except ImportError:  # Windows has no such lock: one service a file there
                yield
                return
            descriptor = os.open(self._path.parent, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
