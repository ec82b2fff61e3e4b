"""Dataset of a folder that caches results by their content."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import fsspec
from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_protocol_and_path

from reb_pipeline.core.folder_files import FolderFiles


class CacheDataset(AbstractDataset[Any, MutableMapping[str, bytes]]):
    """Folder on any fsspec file system that a node reads and writes while it runs, as a mapping of names to bytes.

    It has no versions: the name of an entry identifies its content.

    Args:
        path: The folder; created if it is missing.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.

    Example:
        An entry of the catalog:

        ```yaml
        study_cache:
          type: reb_pipeline.datasets.CacheDataset
          path: data/04_feature/study_cache
        ```

        The same in Python:

        >>> from reb_pipeline.datasets import CacheDataset
        >>> cache = CacheDataset(path="memory:///study_cache").load()
        >>> cache["1a2b"] = b"result"
        >>> cache["1a2b"]
        b'result'
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
        """Open the folder as a mapping, even if it does not exist yet."""
        return FolderFiles(self._path, self._fs, create=True)

    def save(self, data: Any) -> None:
        """Refuse: a cache is written through the mapping that `load` returns.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(
            f"'{self._path}' is written while a node runs: load it, and write to it."
        )

    def check(self) -> None:
        """Accept a cache that does not exist yet."""

    def _exists(self) -> bool:
        return bool(self._fs.exists(self._path))

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path, "protocol": self._protocol}
