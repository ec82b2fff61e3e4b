"""A record of arrays and plain values in one versioned .npz file."""

from __future__ import annotations

import dataclasses
import json
import struct
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from kedro.io import DatasetError
from kedro.utils import load_obj

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import VersionedFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview

# The member that holds, as JSON text, every field that is no array.
_METADATA = "metadata"

MAPPED_BYTES = 64 * 2**20  # smaller arrays are read sooner than mapped
_ALIGNMENT = 64
# Of a zip file: the fixed part of a member's header, its zip64 field, and the field that aligns it.
_LOCAL_HEADER, _ZIP64, _PADDING = struct.Struct("<26xHH"), 20, struct.Struct("<HH")
_PADDING_ID = 0xD935


class ArraysDataset(VersionedFile):
    """One dataclass instance whose fields are numpy arrays or JSON values, as an .npz file.

    Nothing is pickled: the file holds numbers and text only, and `numpy.load` opens it anywhere.
    JSON knows no tuples, so a field that is one comes back as a list.

    Arrays of 64 MiB and more come from local files as read-only memory maps, so that a record may
    be larger than memory. Their file never changes under them: a save writes another and moves it
    over the name.

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
            with self._fs.open(path, "rb") as file, zipfile.ZipFile(file) as archive:
                values = {
                    member.filename.removesuffix(".npy"): self._array(file, archive, member)
                    for member in archive.infolist()
                }
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
        with self._writing() as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in members.items():
                member = _aligned(f"{name}.npy", file.tell())
                with archive.open(member, "w", force_zip64=True) as content:
                    np.lib.format.write_array(content, array, allow_pickle=False)

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
                            shape, _, dtype = _read_header(member)
                            arrays[name.removesuffix(".npy")] = {
                                "shape": shape,
                                "dtype": str(dtype),
                            }
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise self._unreadable(path, error) from error
        return json.dumps({"arrays": arrays, **values})  # type: ignore[return-value,unused-ignore]

    def _array(
        self, file: IO[bytes], archive: zipfile.ZipFile, member: zipfile.ZipInfo
    ) -> np.ndarray:
        """One array, as a map of the file where it is large and the file is local."""
        is_stored = member.compress_type == zipfile.ZIP_STORED
        if self._protocol == "file" and is_stored and member.file_size >= MAPPED_BYTES:
            mapped = _map(file, member)
            if mapped is not None:
                return mapped
        with archive.open(member) as content:
            return np.lib.format.read_array(content, allow_pickle=False)

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


def _aligned(name: str, position: int) -> zipfile.ZipInfo:
    """A member that is going to be written at a position, padded so that its arrays are aligned."""
    member = zipfile.ZipInfo(name)
    start = position + _LOCAL_HEADER.size + len(name.encode()) + _PADDING.size + _ZIP64
    padding = -start % _ALIGNMENT
    member.extra = _PADDING.pack(_PADDING_ID, padding) + bytes(padding)
    return member


def _map(file: IO[bytes], member: zipfile.ZipInfo) -> np.ndarray | None:
    """Map the array of a stored member; None where it is not aligned."""
    file.seek(member.header_offset)
    lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    file.seek(sum(lengths), 1)
    shape, is_fortran, dtype = _read_header(file)
    if file.tell() % dtype.alignment:
        return None
    order = "F" if is_fortran else "C"
    return np.memmap(file, dtype, "r", file.tell(), shape, order)  # type: ignore[call-overload]


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read shape, whether in Fortran order, and dtype of a .npy file from its first bytes."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read(file)
