"""Dataset of a packaged model, a versioned folder."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError
from kedro.io.core import get_filepath_str

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import VersionedFile
from reb_pipeline.inspection.manifest import MANIFEST, read_manifest

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview

    from reb_pipeline.inspection.model import PackagedModel


class PackagedModelDataset(VersionedFile):
    """Loads and saves a :class:`reb_pipeline.inspection.model.PackagedModel` as a self-contained folder.

    The manifest is written last, and a folder without a manifest is not a version. So an interrupted save never leaves
    a folder that is taken for a model, on any file system.

    Args:
        file: Arguments of :class:`VersionedFile`; `filepath` is the folder.

    Example:
        An entry of the catalog:

        ```yaml
        packaged_model:
          type: reb_pipeline.datasets.PackagedModelDataset
          filepath: data/06_models/model
          versioned: true
        ```

        The same in Python:

        >>> from reb_pipeline.datasets import PackagedModelDataset
        >>> dataset = PackagedModelDataset(filepath="tests/inspection/models/former_records")
        >>> dataset.load().manifest["name"]
        'part'
    """

    def __init__(self, **file: Any) -> None:
        super().__init__(**file)
        self._exists_function = self._has_manifest
        self._glob_function = self._with_manifest

    def load(self) -> PackagedModel:
        """Load the model and check every file.

        Raises:
            InputDatasetError: If it is incomplete, changed, or of another format.
        """
        from reb_pipeline.inspection.model import read_model

        try:
            return read_model(self._load_path(), self._fs)
        except InputError as error:
            raise InputDatasetError(str(error)) from error

    def save(self, data: PackagedModel) -> None:
        """Save the model, completely or not at all.

        Raises:
            DatasetError: If the data are not a packaged model.
        """
        from reb_pipeline.inspection.model import PackagedModel, write_model

        if not isinstance(data, PackagedModel):
            raise DatasetError(
                f"'{self._filepath}' stores a PackagedModel, not a {type(data).__name__}: save the record itself."
            )
        folder = get_filepath_str(self._get_save_path(), self._protocol)
        self._remove(folder)  # left by an earlier or interrupted attempt
        self._remove_unfinished()
        try:
            write_model(data, folder, self._fs)
        except BaseException:
            self._remove(folder)
            self._remove_unfinished()
            raise
        self._invalidate_cache()

    def preview(self) -> JSONPreview:
        """Show the manifest of the model without the list of its parts.

        Raises:
            InputDatasetError: See :meth:`load`; other files are not checked.
        """
        try:
            manifest = read_manifest(self._load_path(), self._fs)
        except InputError as error:
            raise InputDatasetError(str(error)) from error
        outline = {
            name: value for name, value in manifest.items() if name not in ("parts", "files")
        }
        return json.dumps(outline)  # type: ignore[return-value,unused-ignore]

    def _remove(self, folder: str) -> None:
        """Remove a folder, its manifest first, so that an interrupted removal leaves no model."""
        for path in (f"{folder}/{MANIFEST}", folder):
            if self._fs.exists(path):
                self._fs.rm(path, recursive=True)

    def _remove_unfinished(self) -> None:
        """Remove the versions without a manifest, which killed runs left: they hold good images."""
        root = get_filepath_str(self._filepath, self._protocol)
        if self._version is None or not self._fs.isdir(root):
            return
        for version in self._fs.ls(root, detail=False):
            if not self._has_manifest(f"{version}/{self._filepath.name}"):
                self._remove(version)

    def _exists(self) -> bool:
        try:
            return self._has_manifest(self._load_path())
        except DatasetError:
            return False

    def _has_manifest(self, path: str) -> bool:
        return bool(self._fs.exists(f"{path}/{MANIFEST}"))

    def _with_manifest(self, pattern: str) -> list[str]:
        """List the folders that match a pattern and are complete."""
        return [str(PurePosixPath(path).parent) for path in self._fs.glob(f"{pattern}/{MANIFEST}")]
