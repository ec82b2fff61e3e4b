"""A record of arrays and plain values in one versioned .npz file."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro.io import DatasetError
from kedro.utils import load_obj

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import VersionedFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview

# The member that holds, as JSON text, every field that is no array.
_METADATA = "metadata"


class ArraysDataset(VersionedFile):
    """One dataclass instance whose fields are numpy arrays or JSON values, as an .npz file.

    Nothing is pickled: the file holds numbers and text only, and `numpy.load` opens it anywhere.
    JSON knows no tuples, so a field that is one comes back as a list.

    Args:
        record: dotted path of the dataclass, imported when it is first needed.
        file: see :class:`VersionedFile`.
    """

    def __init__(self, *, record: str, **file: Any) -> None:
        self._record = record
        super().__init__(**file)

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
        with self._writing() as file:
            np.savez(file, **members)  # type: ignore[arg-type]

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

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "record": self._record}


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
