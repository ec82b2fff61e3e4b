"""Records of arrays and JSON values in .npz files, nothing pickled; knows nothing of Kedro, light to import."""

import dataclasses
import json
import struct
import zipfile
from typing import IO, Any

import numpy as np

# What reading a file that is cut off, or is none of these, raises.
UNREADABLE = (zipfile.BadZipFile, EOFError, KeyError, ValueError)
MAPPED_BYTES = 64 * 2**20  # smaller arrays are read sooner than mapped

# The member that holds, as JSON text, every field that is no array.
_METADATA = "metadata"
_ALIGNMENT = 64
# Of a zip file: the fixed part of a member's header, its zip64 field, and the field that aligns it.
_LOCAL_HEADER, _ZIP64, _PADDING = struct.Struct("<26xHH"), 20, struct.Struct("<HH")
_PADDING_ID = 0xD935


def read_fields(file: IO[bytes], *, is_local: bool) -> dict[str, Any]:
    """Read the fields of a record.

    Args:
        file: The file, open for reading.
        is_local: Whether its large arrays may be mapped instead of read; the file must never change then, but another
            may be moved over its name.

    Returns:
        Name -> array or JSON value; tuples come back as lists.

    Raises:
        One of :data:`UNREADABLE`: If the file is cut off or was not written by :func:`write_fields`.
    """
    with zipfile.ZipFile(file) as archive:
        values = {
            member.filename.removesuffix(".npy"): _array(file, archive, member, is_local)
            for member in archive.infolist()
        }
    return values | json.loads(values.pop(_METADATA).item())


def read_outline(file: IO[bytes]) -> dict[str, Any]:
    """Shape and dtype of each array under ``arrays``, and the other fields as they are; no array is read.

    Raises:
        One of :data:`UNREADABLE`: As :func:`read_fields`.
    """
    arrays, values = {}, {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if name == f"{_METADATA}.npy":
                    values = json.loads(np.lib.format.read_array(member).item())
                else:
                    shape, _, dtype = _read_header(member)
                    arrays[name.removesuffix(".npy")] = {"shape": shape, "dtype": str(dtype)}
    return {"arrays": arrays, **values}


def fields_of(record: Any) -> dict[str, np.ndarray]:
    """The members of the file of a record.

    Args:
        record: A dataclass instance whose fields are numpy arrays or JSON values.

    Raises:
        TypeError: If a field is neither an array of numbers or text nor a JSON value.
    """
    kind = type(record).__name__
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            msg = (
                f"Field '{name}' of {kind} is an array of Python objects, which only pickle could store: make it an "
                "array of numbers or text."
            )
            raise TypeError(msg)
    others = {name: value for name, value in values.items() if name not in arrays}
    try:
        text = json.dumps(others, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"A field of {kind} is neither a numpy array nor a JSON value ({error}): convert it before saving."
        raise TypeError(msg) from error
    return {**arrays, _METADATA: np.array(text)}


def write_fields(file: IO[bytes], members: dict[str, np.ndarray]) -> None:
    """Write a record, uncompressed and aligned, so that it can be mapped; the same record gives the same bytes.

    Args:
        file: The file, open for writing and empty.
        members: What :func:`fields_of` gave.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in members.items():
            member = _aligned(f"{name}.npy", file.tell())
            with archive.open(member, "w", force_zip64=True) as content:
                np.lib.format.write_array(content, array, allow_pickle=False)


def _array(
    file: IO[bytes], archive: zipfile.ZipFile, member: zipfile.ZipInfo, is_local: bool
) -> np.ndarray:
    """One array, as a map of the file where it is large and the file is local."""
    is_stored = member.compress_type == zipfile.ZIP_STORED
    if is_local and is_stored and member.file_size >= MAPPED_BYTES:
        mapped = _map(file, member)
        if mapped is not None:
            return mapped
    with archive.open(member) as content:
        return np.lib.format.read_array(content, allow_pickle=False)


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
