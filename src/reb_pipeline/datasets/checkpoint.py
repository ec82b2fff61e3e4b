"""Dataset of a checkpoint, from which the next run resumes an interrupted training."""

from __future__ import annotations

import io
from typing import Any

from kedro.io import DatasetError

from reb_pipeline.core.resumable_training import read_state
from reb_pipeline.datasets.versioned_file import VersionedFile


class CheckpointDataset(VersionedFile):
    """File that a node reads and writes while it runs; `load` returns its :class:`Checkpoint`.

    It has no versions, because the next run must find it.

    Example:
        An entry of the catalog:

        ```yaml
        finetuning_checkpoint:
          type: reb_pipeline.datasets.CheckpointDataset
          filepath: data/05_model_input/finetuning_checkpoint.pt
        ```

        The same in Python:

        >>> from reb_pipeline.datasets import CheckpointDataset
        >>> checkpoint = CheckpointDataset(filepath="memory:///checkpoint.pt").load()
        >>> checkpoint.read() is None
        True
        >>> checkpoint.write({"update": 25})
        >>> checkpoint.read()
        {'update': 25}
    """

    def load(self) -> Checkpoint:
        """Open the checkpoint, even if its file does not exist yet."""
        return Checkpoint(self)

    def save(self, data: Any) -> None:
        """Refuse: a checkpoint is written through the object that `load` returns.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(
            f"'{self._filepath}' is written while a node runs: load it, and write to it."
        )

    def check(self) -> None:
        """Accept a checkpoint that does not exist yet."""


class Checkpoint:
    """State dicts, numbers and text in one file."""

    def __init__(self, dataset: CheckpointDataset) -> None:
        self._dataset = dataset

    def read(self) -> dict[str, Any] | None:
        """Read the state that was written last; None if there is none, or, with a warning, if the file is damaged."""
        if not self._dataset.exists():
            return None
        path = self._dataset._load_path()
        with self._dataset._fs.open(path, "rb") as file:
            data = file.read()
        return read_state(data, path)

    def write(self, state: dict[str, Any]) -> None:
        """Replace the written state, completely or not at all."""
        import torch

        data = io.BytesIO()
        torch.save(
            state, data
        )  # before the file is opened, since opening empties it in some stores
        with self._dataset._writing() as file:
            file.write(data.getbuffer())
