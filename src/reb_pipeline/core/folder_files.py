"""Files of a folder on any file system, as a mapping of paths to bytes."""

import os
import re
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

# What Windows has in no name of a file, and names that it keeps for devices.
_SIGNS = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

Files = MutableMapping[str, bytes]  # path of each file below a folder -> content of the file


def portable_name(name: str) -> str:
    """Change a name of a file or folder so that all systems can have it.

    Example:
        >>> portable_name("12:30 a?.png"), portable_name("aux.png"), portable_name("bolt.")
        ('12_30 a_.png', '_aux.png', 'bolt')
    """
    name = _SIGNS.sub("_", name).rstrip(". ") or "_"
    return f"_{name}" if _DEVICES.fullmatch(name) else name


class FolderFiles(fsspec.FSMap):
    """Mapping of fsspec that also works where the folder's own path could be read as a pattern ("run [2]")."""

    def __getitem__(self, key: str, default: Any = None) -> bytes:
        """Read a file, and give it the time of now, which shows that it is in use.

        Raises:
            KeyError: If there is no such file.
        """
        path = self._key_to_str(key)
        try:
            data: bytes = self.fs.cat_file(path)
        except self.missing_exceptions:
            raise KeyError(key) from None
        if isinstance(self.fs, LocalFileSystem):
            with suppress(OSError):  # such as a folder of another user
                os.utime(path)
        return data

    def __delitem__(self, key: str) -> None:
        """Remove a file.

        Raises:
            KeyError: If there is no such file.
        """
        try:
            self.fs.rm_file(self._key_to_str(key))
        except self.missing_exceptions:
            raise KeyError(key) from None
