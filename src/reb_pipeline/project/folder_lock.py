"""Lock of the folder that a run writes to, so that two runs do not write results of one category at once."""

import errno
import hashlib
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reb_pipeline.core.errors import InputError

logger = logging.getLogger(__name__)

LOCK = "run.lock"
# Errors of storage that has no locks, such as some network drives.
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_guard = threading.Lock()
_in_use: "dict[str, FolderLock]" = {}  # locks of this process, by the real path of their folder


class FolderLock:
    """Lock on a part of a folder for each category; the end of the process releases it, also a kill.

    The file of the lock stays empty. Forked processes do not inherit a lock of this kind (POSIX record locks). Threads
    of one process share it, so that a process takes one lock of a folder at a time.

    Args:
        folder: The folder, ``output_root``.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._held: set[str] = set()  # alone

    def take(self, categories: Iterable[str], *, shared: bool) -> None:
        """Take the lock on some categories.

        Args:
            categories: Names of categories; empty text for what belongs to none.
            shared: True lets others with a shared lock in, for parts of one run.

        Raises:
            InputError: If another run has it.
        """
        categories = sorted(categories)
        self._take_in_process(min(categories, default=""))
        try:
            import fcntl
        except ImportError:  # Windows
            return
        if "://" in self._folder:
            logger.info(
                "'%s' cannot be locked: start no other run of these categories into it before this one has ended, or "
                "give each its own output_root.",
                self._folder,
            )
            return
        try:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(Path(self._folder, LOCK), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # the first save says why
            return
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        for category in categories:
            try:
                fcntl.lockf(self._descriptor, kind | fcntl.LOCK_NB, 1, _place_of(category))
            except OSError as error:
                if error.errno in _WITHOUT_LOCKS:
                    logger.info("'%s' cannot be locked (%s).", self._folder, error)
                    return
                self.release()
                raise InputError(self._sentence(category)) from error
            if not shared:
                self._held.add(category)

    def remove_remains(self, categories: Iterable[str]) -> None:
        """Remove the unfinished files that runs of the locked categories left when they were killed.

        Args:
            categories: All categories; a file below none of their folders belongs to the empty one.
        """
        if self._descriptor is None:
            return
        for layer in Path(self._folder).glob("0[2-8]_*"):  # not among raw images
            for file in _unfinished(layer):
                owners = set(categories) & set(file.relative_to(self._folder).parts)
                if (owners or {""}) <= self._held:
                    _remove(file)

    @contextmanager
    def alone_at(self, file: str) -> Iterator[None]:
        """Wait until no other run writes a file that all runs write, and remove what killed runs left of it.

        Args:
            file: Path of the file, without its version.
        """
        try:
            import fcntl

            if self._descriptor is None:
                raise OSError
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, _place_of(file))
        except (ImportError, OSError):  # there are no locks
            yield
            return
        try:
            for remains in _unfinished(file):
                _remove(remains)
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _place_of(file))

    def _take_in_process(self, category: str) -> None:
        """Take the folder for this lock alone among those of this process.

        Raises:
            InputError: If another one has it.
        """
        with _guard:
            if _in_use.setdefault(os.path.realpath(self._folder), self) is not self:
                raise InputError(self._sentence(category))

    def _sentence(self, category: str) -> str:
        what = f"results of {category}" if category else "results of all categories"
        return (
            f"Another run is writing {what} into '{self._folder}': wait until it has ended, or give this run its own "
            f"folder, by --params output_root=FOLDER."
        )

    def release(self) -> None:
        """Give the lock back."""
        with _guard:
            if _in_use.get(os.path.realpath(self._folder)) is self:
                del _in_use[os.path.realpath(self._folder)]
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._held.clear()


def _place_of(name: str) -> int:
    """Choose the byte of the lock's file that stands for a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest())


def _unfinished(folder: str | Path) -> list[Path]:
    """List the unfinished files below a folder, whose contents other runs may change meanwhile."""
    return [
        Path(inner, name)
        for inner, _, names in os.walk(folder)  # passes over folders that are gone
        for name in names
        if name.startswith(".") and name.endswith(".partial")
    ]


def _remove(file: Path) -> None:
    """Remove an unfinished file, and the folder of its version if nothing else is there."""
    file.unlink(missing_ok=True)
    with suppress(OSError):
        file.parent.rmdir()
