"""Dataset of a record of arrays and plain values in one versioned .npz file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError
from kedro.utils import load_obj

from reb_pipeline.core.records import RecordError, read_outline, read_record, write_record
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import RecordFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview


class ArraysDataset(RecordFile):
    """Loads and saves one stored record (:mod:`reb_pipeline.core.records`) as an .npz file.

    Nothing is pickled: the file contains only numbers and text, and `numpy.load` opens it anywhere. JSON has no tuples,
    so a field with a tuple is loaded as a list.

    Arrays of 64 MiB and more are loaded from local files as read-only memory maps, so that a record may be larger than
    memory. The mapped file never changes: a save writes another file and renames it.

    Args:
        record: Dotted path of the dataclass, imported on first use.
        file: Arguments of :class:`~reb_pipeline.datasets.versioned_file.VersionedFile`.

    Example:
        An entry of the catalog:

        ```yaml
        saliency:
          type: reb_pipeline.datasets.ArraysDataset
          record: reb_pipeline.defectmaker.records.SaliencyMaps
          filepath: data/04_feature/saliency.npz
          versioned: true
        ```

        The same in Python:

        >>> import numpy as np
        >>> from reb_pipeline.datasets import ArraysDataset
        >>> from reb_pipeline.defectmaker.records import SaliencyMaps
        >>> dataset = ArraysDataset(
        ...     record="reb_pipeline.defectmaker.records.SaliencyMaps", filepath="memory:///saliency.npz"
        ... )
        >>> maps = SaliencyMaps(np.ones((1, 128, 128), bool), ["good/000"], "whole_image", [])
        >>> dataset.save(maps)
        >>> dataset.load().image_ids
        ['good/000']
    """

    def load(self) -> Any:
        """Load the record.

        Raises:
            InputDatasetError: If the file is incomplete, its fields differ from those of the record, or a newer version
            of the
                project wrote it.
        """
        record_class = load_obj(self._record)
        path = self._load_path()
        try:
            with self._fs.open(path, "rb") as file:
                return read_record(record_class, file, is_local=self._protocol == "file")
        except RecordError as error:
            raise self._no_record(path, error) from error

    def save(self, data: Any) -> None:
        """Save the record, completely or not at all.

        Raises:
            DatasetError: If the data are not such a record, or a field is neither an array of numbers or text nor a
            JSON
                value.
        """
        self._check_record(data)
        with self._writing() as file:
            try:
                write_record(data, file)
            except TypeError as error:
                raise DatasetError(str(error)) from error

    def preview(self) -> JSONPreview:
        """Show shape and dtype of each array and the values of other fields; no array is read.

        Raises:
            InputDatasetError: If the file is incomplete.
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
