"""A record of arrays and plain values in one versioned .npz file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError
from kedro.utils import load_obj

from reb_pipeline.core.records import RecordError, read_outline, read_record, write_record
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import VersionedFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview


class ArraysDataset(VersionedFile):
    """One stored record, see :mod:`reb_pipeline.core.records`, as an .npz file.

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
            InputDatasetError: the file is cut off, its fields are not those of the record, or a newer
                version of the project wrote it.
        """
        record_class = load_obj(self._record)
        path = self._load_path()
        try:
            with self._fs.open(path, "rb") as file:
                return read_record(record_class, file, is_local=self._protocol == "file")
        except RecordError as error:
            raise self._no_record(path, error) from error

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
        with self._writing() as file:
            try:
                write_record(data, file)
            except TypeError as error:
                raise DatasetError(str(error)) from error

    def preview(self) -> JSONPreview:
        """Shape and dtype of each array and the other fields as they are; no array is read.

        Raises:
            InputDatasetError: the file is cut off.
        """
        path = self._load_path()
        try:
            with self._fs.open(path, "rb") as file:
                outline = read_outline(file)
        except RecordError as error:
            raise self._no_record(path, error) from error
        return json.dumps(outline)  # type: ignore[return-value,unused-ignore]

    @staticmethod
    def _no_record(path: str, error: RecordError) -> InputDatasetError:
        return InputDatasetError(error.sentence(f"'{path}'", "run the step that writes it again"))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "record": self._record}
