"""Where an unfinished fine-tuning is kept, so that the next run goes on from it."""

from __future__ import annotations

import io
from typing import Any

from kedro.io import DatasetError

from reb_pipeline.datasets.versioned_file import VersionedFile


class CheckpointDataset(VersionedFile):
    """A file that a node reads and writes while it runs; loading it gives the file's :class:`Checkpoint`.

    It has no versions, because the next run must find it.
    """

    def load(self) -> Checkpoint:
        """Hand out the file, whether it is there yet or not."""
        return Checkpoint(self)

    def save(self, data: Any) -> None:
        """Refused: a checkpoint is written through what `load` gives.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(
            f"'{self._filepath}' is written while a node runs: load it, and write to it."
        )

    def check(self) -> None:
        """Nothing is wrong with a checkpoint that is not there yet."""


class Checkpoint:
    """State dicts, numbers and text in one file."""

    def __init__(self, dataset: CheckpointDataset) -> None:
        self._dataset = dataset

    def read(self) -> dict[str, Any] | None:
        """What was written last, None if nothing was.

        Raises:
            InputDatasetError: the file is none of PyTorch's.
        """
        import torch

        if not self._dataset.exists():
            return None
        path = self._dataset._load_path()
        with self._dataset._fs.open(path, "rb") as file:
            data = file.read()
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(data), map_location="cpu", weights_only=True
            )
        except Exception as error:  # whatever the bytes lead the unpickler to
            raise self._dataset._unreadable(path, error) from error
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Replace what was written, entirely or not at all."""
        import torch

        data = io.BytesIO()
        torch.save(state, data)  # before the file is opened, which empties it in some stores
        with self._dataset._writing() as file:
            file.write(data.getbuffer())
