"""Base class of the project's datasets with one versioned file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro.io.core import get_filepath_str, get_protocol_and_path
from kedro.utils import load_obj

from reb_pipeline.core.atomic import ATOMIC_PROTOCOLS
from reb_pipeline.datasets.arguments import PlainArguments
from reb_pipeline.datasets.errors import InputDatasetError

if TYPE_CHECKING:
    import os


class VersionedFile(PlainArguments, AbstractVersionedDataset[Any, Any]):
    """File on any fsspec file system, with or without versions; subclasses implement `load` and `save`.

    Args:
        filepath: Path of the file.
        version: Kedro's version of the file, if it is versioned.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str | os.PathLike[str],
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        protocol, path = get_protocol_and_path(filepath, version)
        _fs_args = deepcopy(fs_args) or {}
        if protocol == "file":
            _fs_args.setdefault("auto_mkdir", True)
        self._protocol = protocol
        self._fs = fsspec.filesystem(protocol, **(credentials or {}), **_fs_args)
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._fs.exists,
            glob_function=self._fs.glob,
        )

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """Open the file for a save; it appears completely or not at all."""
        path = get_filepath_str(self._get_save_path(), self._protocol)
        try:
            with self._fs.open(path, "wb") as file:
                yield file
        except BaseException:
            # Local files and objects of S3 appear only when complete (atomic.py); other stores keep a part.
            if self._protocol not in ATOMIC_PROTOCOLS and self._fs.exists(path):
                self._fs.rm(path)
            raise
        self._invalidate_cache()

    def _load_path(self) -> str:
        return get_filepath_str(self._get_load_path(), self._protocol)

    def _unreadable(self, path: str, error: Exception) -> InputDatasetError:
        reason = str(error).split(". ")[0]  # messages of PyTorch are long
        return InputDatasetError(
            f"'{path}' is cut off or was not written by {type(self).__name__} ({reason}): delete it "
            "and run the step that writes it again."
        )

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}

    def _exists(self) -> bool:
        try:
            return bool(self._fs.exists(self._load_path()))
        except DatasetError:
            return False

    def _release(self) -> None:
        super()._release()
        self._invalidate_cache()

    def _invalidate_cache(self) -> None:
        self._fs.invalidate_cache(get_filepath_str(self._filepath, self._protocol))


class RecordFile(VersionedFile):
    """File of one record; subclasses implement `load` and `save`.

    Args:
        record: Dotted path of the class of the record, imported on first use.
        file: Arguments of :class:`VersionedFile`.
    """

    def __init__(self, *, record: str, **file: Any) -> None:
        self._record = record
        super().__init__(**file)

    def _check_record(self, data: Any) -> None:
        """Check that the data are such a record.

        Raises:
            DatasetError: If they are not.
        """
        if not isinstance(data, load_obj(self._record)):
            raise DatasetError(
                f"'{self._filepath}' stores a {self._record}, not a {type(data).__name__}: save "
                "the record itself."
            )

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "record": self._record}
