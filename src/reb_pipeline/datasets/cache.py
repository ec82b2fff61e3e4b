"""A folder of results kept by content."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import fsspec
from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_protocol_and_path

from reb_pipeline.core.folder_files import FolderFiles


class CacheDataset(AbstractDataset[Any, MutableMapping[str, bytes]]):
    """A folder on any fsspec file system that a node reads and writes while it runs, as a mapping of names to bytes.

    It has no versions: the name of an entry tells what it was made from.

    Args:
        path: the folder; it is made where it is missing.
        credentials: secrets of the file system.
        fs_args: further arguments of the file system.
        metadata: ignored by Kedro, for plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        path: str,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._protocol, self._path = get_protocol_and_path(path)
        self._fs = fsspec.filesystem(self._protocol, **(credentials or {}), **(fs_args or {}))
        self.metadata = metadata

    def load(self) -> MutableMapping[str, bytes]:
        """Hand out the folder, whether it is there yet or not."""
        return FolderFiles(self._path, self._fs, create=True)

    def save(self, data: Any) -> None:
        """Refused: a cache is written through what `load` gives.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(
            f"'{self._path}' is written while a node runs: load it, and write to it."
        )

    def check(self) -> None:
        """Nothing is wrong with a cache that is not there yet."""

    def _exists(self) -> bool:
        return bool(self._fs.exists(self._path))

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path, "protocol": self._protocol}
