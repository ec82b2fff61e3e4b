"""A record of arrays and plain values in one versioned .npz file."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError
from kedro.utils import load_obj

from reb_pipeline.core.arrays_file import (
    UNREADABLE,
    fields_of,
    read_fields,
    read_outline,
    write_fields,
)
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import VersionedFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview


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
            with self._fs.open(path, "rb") as file:
                values = read_fields(file, is_local=self._protocol == "file")
        except UNREADABLE as error:
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
        try:
            members = fields_of(data)
        except TypeError as error:
            raise DatasetError(str(error)) from error
        with self._writing() as file:
            write_fields(file, members)

    def preview(self) -> JSONPreview:
        """Shape and dtype of each array and the other fields as they are; no array is read.

        Raises:
            InputDatasetError: the file is cut off.
        """
        path = self._load_path()
        try:
            with self._fs.open(path, "rb") as file:
                outline = read_outline(file)
        except UNREADABLE as error:
            raise self._unreadable(path, error) from error
        return json.dumps(outline)  # type: ignore[return-value,unused-ignore]

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "record": self._record}
