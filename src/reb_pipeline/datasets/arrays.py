"""A record of arrays and plain values in one versioned .npz file."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from copy import deepcopy
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro.io.core import get_filepath_str, get_protocol_and_path
from kedro.utils import load_obj

from reb_pipeline.datasets.errors import InputDatasetError

if TYPE_CHECKING:
    import os

    from kedro_datasets._typing import JSONPreview

# The member that holds, as JSON text, every field that is no array.
_METADATA = "metadata"


class ArraysDataset(AbstractVersionedDataset[Any, Any]):
    """One dataclass instance whose fields are numpy arrays or JSON values, as an .npz file.

    Nothing is pickled: the file holds numbers and text only, and `numpy.load` opens it anywhere.
    JSON knows no tuples, so a field that is one comes back as a list.

    Args:
        filepath: the .npz file, on any fsspec file system.
        record: dotted path of the dataclass, imported when it is first needed.
        version: Kedro's version of the file, if it is versioned.
        credentials: secrets of the file system.
        fs_args: further arguments of the file system.
        metadata: ignored by Kedro, for plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str | os.PathLike[str],
        record: str,
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
        self._record = record
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._fs.exists,
            glob_function=self._fs.glob,
        )

    def load(self) -> Any:
        """Load the record.

        Raises:
            InputDatasetError: the file is cut off, or its fields are not those of the record.
        """
        record_class = load_obj(self._record)
        path = self._load_path()
        try:
            with self._fs.open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                values = {name: archive[name] for name in archive.files}
            values |= json.loads(values.pop(_METADATA).item())
        except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
            raise self._unreadable(path, error) from error
        expected = {field.name for field in dataclasses.fields(record_class)}
        if values.keys() != expected:
            raise InputDatasetError(
                f"'{path}' has the fields {sorted(values)}, but {self._record} has "
                f"{sorted(expected)}: run the step that writes it again."
            )
        return record_class(**values)

    def save(self, data: Any) -> None:
        """Save the record, entirely or not at all.

        Raises:
            DatasetError: the data are no such record, or a field is neither an array of numbers or
                text nor a JSON value.
        """
        if not isinstance(data, load_obj(self._record)):
            raise DatasetError(
                f"'{self._filepath}' stores a {self._record}, not a {type(data).__name__}: save "
                "the record itself."
            )
        members = self._members(data)
        path = get_filepath_str(self._get_save_path(), self._protocol)
        try:
            with self._fs.open(path, "wb") as file:
                np.savez(file, **members)  # type: ignore[arg-type]
        except BaseException:
            # Local files appear only when they are whole (atomic.py); other stores keep a part.
            if self._protocol != "file" and self._fs.exists(path):
                self._fs.rm(path)
            raise
        self._invalidate_cache()

    def preview(self) -> JSONPreview:
        """Shape and dtype of each array and the other fields as they are; no array is read.

        Raises:
            InputDatasetError: the file is cut off.
        """
        path = self._load_path()
        arrays, values = {}, {}
        try:
            with self._fs.open(path, "rb") as file, zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    with archive.open(name) as member:
                        if name == f"{_METADATA}.npy":
                            values = json.loads(np.lib.format.read_array(member).item())
                        else:
                            arrays[name.removesuffix(".npy")] = _read_header(member)
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise self._unreadable(path, error) from error
        return json.dumps({"arrays": arrays, **values})  # type: ignore[return-value,unused-ignore]

    def _members(self, data: Any) -> dict[str, np.ndarray]:
        values = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise DatasetError(
                    f"Field '{name}' of {self._record} is an array of Python objects, which only "
                    "pickle could store: make it an array of numbers or text."
                )
        others = {name: value for name, value in values.items() if name not in arrays}
        try:
            text = json.dumps(others, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"A field of {self._record} is neither a numpy array nor a JSON value ({error}): "
                "convert it before saving."
            ) from error
        return {**arrays, _METADATA: np.array(text)}

    def _load_path(self) -> str:
        return get_filepath_str(self._get_load_path(), self._protocol)

    def _unreadable(self, path: str, error: Exception) -> InputDatasetError:
        return InputDatasetError(
            f"'{path}' is cut off or was not written by {type(self).__name__} ({error}): delete it "
            "and run the step that writes it again."
        )

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": self._filepath,
            "protocol": self._protocol,
            "record": self._record,
            "version": self._version,
        }

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


def _read_header(member: Any) -> dict[str, Any]:
    """Read shape and dtype of a .npy file from its first bytes."""
    version = np.lib.format.read_magic(member)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(member)
    return {"shape": shape, "dtype": str(dtype)}
