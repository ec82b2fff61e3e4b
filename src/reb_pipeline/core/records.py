"""Stored records: dataclasses as .npz files without pickle; independent of Kedro, quick to import.

A field is a numpy array, a JSON value, another record (or None), or a pydantic model. The arrays of a nested record are
stored under dotted names such as ``bank.features``. All other fields form one JSON text, the member ``metadata``.

The JSON text also holds the number of the record's format: the class variable ``FORMAT``, by default 1. Files without
a number have format 1. A class that renamed fields reads former formats by its class variable ``FORMER_NAMES``
(former name -> name). A field that a former format lacks takes its value in the class variable ``FORMER_VALUES``, or
else its default, if it has one. Fields with
``metadata={"stored": False}`` are not stored and take their default on reading.
"""

import dataclasses
import json
import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import NoneType
from typing import IO, Any, TypeVar, get_args, get_type_hints

import numpy as np

Record = TypeVar("Record")

MAPPED_BYTES = 64 * 2**20  # reading smaller arrays is faster than mapping them

# Member with all fields that are no arrays, as JSON text; key of the format's number in that text.
_METADATA, _FORMAT = "metadata", "format"
# Exceptions from reading a file that is cut off or holds no record.
_UNREADABLE = (zipfile.BadZipFile, EOFError, KeyError, TypeError, ValueError)
_ALIGNMENT = 64
_CHECKED_AT_ONCE = 2**20  # values; few enough for a processor's cache
# Parts of a zip member's header: the fixed part, the zip64 field, and the field that aligns the content.
_LOCAL_HEADER, _ZIP64, _PADDING = struct.Struct("<26xHH"), 20, struct.Struct("<HH")
_PADDING_ID = 0xD935


class RecordError(ValueError):
    """Error of a file that holds no record of the requested class.

    The message is the predicate of a sentence whose subject is the name of the file.

    Attributes:
        is_newer: True if a newer version of the project wrote the file; making it again would not help.
    """

    def __init__(self, fault: str, *, is_newer: bool = False) -> None:
        super().__init__(fault)
        self.is_newer = is_newer

    def sentence(self, file: str, again: str) -> str:
        """Build the error message for the user.

        Args:
            file: Name of the file, the subject of the sentence.
            again: Instruction to make the file again, in the imperative.
        """
        return f"{file} {self}: {'update reb-pipeline' if self.is_newer else again}."


def write_record(record: Any, file: IO[bytes]) -> None:
    """Write a record, uncompressed and aligned so that it can be mapped; equal records give equal bytes.

    Args:
        record: A dataclass instance, see the module.
        file: The file, open for writing and empty.

    Raises:
        TypeError: If a field cannot be stored; nothing has been written then.
    """
    arrays, values = _flatten(record)
    members = {**arrays, _METADATA: np.array(_as_json(values, type(record)))}
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in members.items():
            member = _aligned(f"{name}.npy", file.tell())
            with archive.open(member, "w", force_zip64=True) as content:
                np.lib.format.write_array(content, array, allow_pickle=False)


def read_record(record_class: type[Record], file: IO[bytes], *, is_local: bool) -> Record:
    """Read a record in its present format or a former one.

    Args:
        record_class: The dataclass.
        file: The file, open for reading.
        is_local: True maps large arrays instead of reading them. Then the file must never change, but another file may
            be moved over its name.

    Returns:
        The record; tuples come back as lists.

    Raises:
        RecordError: If the file is cut off, has other fields, a number that is not finite, or is of a newer format.
    """
    with _readable(), zipfile.ZipFile(file) as archive:
        arrays = {
            member.filename.removesuffix(".npy"): _array(file, archive, member, is_local)
            for member in archive.infolist()
        }
        values = load_json(arrays.pop(_METADATA).item())
        for name, array in arrays.items():
            _put(values, name, array)
    for name, array in arrays.items():
        _check_finite(name, array)
    return _build(record_class, values)


def read_outline(file: IO[bytes]) -> dict[str, Any]:
    """Read all fields but the arrays, and under ``arrays`` the shape and dtype of each array.

    Raises:
        RecordError: If the file is cut off.
    """
    arrays, values = {}, {}
    with _readable(), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if name == f"{_METADATA}.npy":
                    values = json.loads(np.lib.format.read_array(member).item())
                else:
                    shape, _, dtype = _read_header(member)
                    arrays[name.removesuffix(".npy")] = {"shape": shape, "dtype": str(dtype)}
    return {"arrays": arrays, **values}


def load_json(text: str | bytes) -> Any:
    """Parse JSON text.

    Raises:
        ValueError: If it is no JSON, is nested too deeply, or has a number that is not finite, which Python's parser
            would let pass.
    """
    try:
        return json.loads(text, parse_constant=_finite_number, parse_float=_finite_number)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


def load_described(data: bytes, file_format: str, version: int, what: str) -> dict[str, Any]:
    """Parse a JSON file that states its format and version.

    Args:
        data: Content of the file.
        file_format: Value of ``format``.
        version: Value of ``format_version``.
        what: Content of the file, in words, for the message.

    Raises:
        ValueError: If it is no such file. The message is what is wrong with it, the rest of a sentence.
    """
    try:
        content = load_json(data)
    except ValueError as error:
        msg = f"is no JSON ({error})"
        raise ValueError(msg) from error
    if not isinstance(content, dict) or content.get("format") != file_format:
        msg = f"is no file of {what}"
        raise ValueError(msg)
    found = content.get("format_version")
    if found != version:
        msg = f"has format version {found!r}, and this version reads {version}"
        raise ValueError(msg)
    return content


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text} is not a finite number"
        raise ValueError(msg)
    return value


def _check_finite(name: str, array: np.ndarray) -> None:
    """Check an array of a record, a part at a time: NaN compares as good with every threshold.

    Raises:
        RecordError: If a value is not finite.
    """
    if array.dtype.kind not in "fc":
        return
    values = array.reshape(-1, order="A")  # a view, in either order
    blocks = range(0, len(values), _CHECKED_AT_ONCE)
    if not all(np.isfinite(values[start : start + _CHECKED_AT_ONCE]).all() for start in blocks):
        msg = f"has values in '{name}' that are not finite numbers"
        raise RecordError(msg)


@contextmanager
def _readable() -> Iterator[None]:
    """Convert exceptions from a file that is cut off, or holds no record, to a :class:`RecordError`."""
    try:
        yield
    except _UNREADABLE as error:
        msg = f"is cut off or holds no record ({error})"
        raise RecordError(msg) from error


def _format_of(record_class: type) -> int:
    number: int = getattr(record_class, "FORMAT", 1)
    return number


def _stored(record_class: type) -> list[str]:
    """List the names of the stored fields."""
    fields = dataclasses.fields(record_class)
    return [field.name for field in fields if field.metadata.get("stored", True)]


def _defaults(record_class: type) -> dict[str, Any]:
    """Collect the defaults of the stored fields that have one."""
    fields = {field.name: field.default for field in dataclasses.fields(record_class)}
    return {
        name: fields[name]
        for name in _stored(record_class)
        if fields[name] is not dataclasses.MISSING
    }


def _without_none(kind: Any) -> Any:
    """Return the type of a field that may be None without the None; any other type as it is."""
    kinds = [one for one in get_args(kind) if one is not NoneType]
    return kinds[0] if len(kinds) == 1 and NoneType in get_args(kind) else kind


def _is_model(kind: Any) -> bool:
    """Return True for a pydantic model; does not import pydantic."""
    return isinstance(kind, type) and hasattr(kind, "model_validate")


def _flatten(record: Any, prefix: str = "") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Split a record into its arrays, by dotted names, and its other fields as JSON values."""
    kind = type(record)
    types = get_type_hints(kind)
    arrays: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {_FORMAT: _format_of(kind)}
    for name in _stored(kind):
        value = getattr(record, name)
        if name in (_METADATA, _FORMAT):
            msg = f"Field '{name}' of {kind.__name__} has a name that its file needs: rename it."
            raise TypeError(msg)
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                msg = (
                    f"Field '{name}' of {kind.__name__} is an array of Python objects, which only pickle could store: "
                    "make it an array of numbers or text."
                )
                raise TypeError(msg)
            arrays[f"{prefix}{name}"] = value
        elif value is not None and dataclasses.is_dataclass(_without_none(types[name])):
            nested, values[name] = _flatten(value, f"{prefix}{name}.")
            arrays |= nested
        elif _is_model(types[name]):
            values[name] = value.model_dump(mode="json")
        else:
            values[name] = value
    return arrays, values


def _as_json(values: dict[str, Any], kind: type) -> str:
    try:
        return json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = (
            f"A field of {kind.__name__} is neither a numpy array nor a JSON value ({error}): convert it before "
            "saving."
        )
        raise TypeError(msg) from error


def _put(values: dict[str, Any], name: str, array: np.ndarray) -> None:
    """Put an array into the values of the nested record that it belongs to."""
    *parents, last = name.split(".")
    for parent in parents:
        values = values[parent]
    values[last] = array


def _build(record_class: type[Record], values: Any, path: str = "") -> Record:
    """Build a record from its arrays and JSON values, in any format.

    Args:
        record_class: The dataclass.
        values: Content of the file for this record.
        path: Dotted name of this record within the outermost one; empty for the outermost one.

    Raises:
        RecordError: If the file has other fields, or a newer format.
    """
    name = f"{record_class.__module__}.{record_class.__qualname__}"
    where = f" in '{path}'" if path else ""
    if not isinstance(values, dict):
        msg = f"has a JSON value{where} in the place of a {name}"
        raise RecordError(msg)
    values, stored = dict(values), _stored(record_class)
    newest, number = _format_of(record_class), values.pop(_FORMAT, 1)
    is_another_class = values.keys().isdisjoint(stored)  # whose format numbers count separately
    if number not in range(1, newest + 1) and not is_another_class:
        msg = f"has format {number!r} of {name}{where}, but this reb-pipeline reads up to {newest}"
        raise RecordError(msg, is_newer=isinstance(number, int) and number > newest)
    if number != newest:
        former = getattr(record_class, "FORMER_NAMES", {})
        known = {former.get(field, field): value for field, value in values.items()}
        values = _defaults(record_class) | getattr(record_class, "FORMER_VALUES", {}) | known
        missing = [field for field in stored if field not in values]
        if missing and values.keys() < set(stored):
            msg = f"is of an older reb-pipeline, whose {name}{where} has no {', '.join(missing)}"
            raise RecordError(msg)
    if values.keys() != set(stored):
        msg = f"has the fields {sorted(values)}{where}, but {name} has {sorted(stored)}"
        raise RecordError(msg)
    types = get_type_hints(record_class)
    fields = {
        field: _convert(types[field], values[field], f"{path}.{field}".lstrip("."))
        for field in stored
    }
    return record_class(**fields)


def _convert(kind: Any, value: Any, path: str) -> Any:
    """Convert the stored value of a field to the type of the field."""
    kind = _without_none(kind) if value is not None else kind
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, path)  # type: ignore[arg-type]
    if not _is_model(kind):
        return value
    from pydantic import ValidationError

    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, [path, *first["loc"]]))
        msg = f"has a value of '{name}' that cannot be used ({first['msg']})"
        raise RecordError(msg) from error


def _array(
    file: IO[bytes], archive: zipfile.ZipFile, member: zipfile.ZipInfo, is_local: bool
) -> np.ndarray:
    """Read one array; map it instead if it is large and the file is local."""
    is_stored = member.compress_type == zipfile.ZIP_STORED
    if is_local and is_stored and member.file_size >= MAPPED_BYTES:
        mapped = _map(file, member)
        if mapped is not None:
            return mapped
    with archive.open(member) as content:
        return np.lib.format.read_array(content, allow_pickle=False)


def _aligned(name: str, position: int) -> zipfile.ZipInfo:
    """Describe a member to be written at ``position``, padded so that its array is aligned."""
    member = zipfile.ZipInfo(name)
    start = position + _LOCAL_HEADER.size + len(name.encode()) + _PADDING.size + _ZIP64
    padding = -start % _ALIGNMENT
    member.extra = _PADDING.pack(_PADDING_ID, padding) + bytes(padding)
    return member


def _map(file: IO[bytes], member: zipfile.ZipInfo) -> np.ndarray | None:
    """Map an uncompressed array of the zip file into memory; None if its data are not aligned."""
    file.seek(member.header_offset)
    lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    file.seek(sum(lengths), 1)
    shape, is_fortran, dtype = _read_header(file)
    if file.tell() % dtype.alignment:
        return None
    order = "F" if is_fortran else "C"
    return np.memmap(file, dtype, "r", file.tell(), shape, order)  # type: ignore[call-overload]


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read shape, order (True for Fortran order) and dtype from the first bytes of a .npy file."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read(file)
