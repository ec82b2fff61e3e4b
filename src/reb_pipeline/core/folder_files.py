"""A folder on any file system as a mapping of paths to bytes."""

from collections.abc import MutableMapping
from typing import Any

import fsspec

Files = MutableMapping[str, bytes]  # a folder: the paths of its files below it, and what is in them


class FolderFiles(fsspec.FSMap):
    """fsspec's mapping, which finds files also where the folder's own path looks like a pattern ("run [2]")."""

    def __getitem__(self, key: str, default: Any = None) -> bytes:
        """Read a file.

        Raises:
            KeyError: If it is not there.
        """
        try:
            data: bytes = self.fs.cat_file(self._key_to_str(key))
        except self.missing_exceptions:
            raise KeyError(key) from None
        return data

    def __delitem__(self, key: str) -> None:
        """Remove a file.

        Raises:
            KeyError: If it is not there.
        """
        try:
            self.fs.rm_file(self._key_to_str(key))
        except self.missing_exceptions:
            raise KeyError(key) from None
