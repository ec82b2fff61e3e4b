"""The weights of a network in one .safetensors file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError
from kedro.utils import load_obj

from reb_pipeline.datasets.versioned_file import VersionedFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview

    from reb_pipeline.core.network_weights import NetworkWeights

# The entry of the file's header that holds the configuration as JSON text.
_CONFIG = "config"


class WeightsDataset(VersionedFile):
    """A :class:`reb_pipeline.core.network_weights.NetworkWeights` as safetensors, configuration in the header.

    Any tool that reads safetensors can use the file, this project through ``features.weights`` too.

    Args:
        record: dotted path of the record's class, imported when it is first needed.
        file: see :class:`VersionedFile`.
    """

    def __init__(self, *, record: str, **file: Any) -> None:
        self._record = record
        super().__init__(**file)

    def load(self) -> NetworkWeights:
        """Load weights and configuration.

        Raises:
            InputDatasetError: the file is cut off, or has no configuration.
        """
        from safetensors.torch import load

        record_class = load_obj(self._record)
        path = self._load_path()
        with self._fs.open(path, "rb") as file:
            data = file.read()
        try:
            config = json.loads(_header(data)["__metadata__"][_CONFIG])
            weights: NetworkWeights = record_class(load(data), config)
        except Exception as error:  # safetensors' error is none of Python's
            raise self._unreadable(path, error) from error
        return weights

    def save(self, data: NetworkWeights) -> None:
        """Save weights and configuration, entirely or not at all.

        Raises:
            DatasetError: the data are no such weights.
        """
        from safetensors.torch import save

        if not isinstance(data, load_obj(self._record)):
            raise DatasetError(
                f"'{self._filepath}' stores a {self._record}, not a {type(data).__name__}: save "
                "the record itself."
            )
        state = {name: tensor.contiguous() for name, tensor in data.state.items()}
        with self._writing() as file:
            file.write(save(state, {_CONFIG: json.dumps(data.config)}))

    def preview(self) -> JSONPreview:
        """The configuration and the shape of each tensor; no tensor is read.

        Raises:
            InputDatasetError: the file is cut off.
        """
        path = self._load_path()
        with self._fs.open(path, "rb") as file:
            length = file.read(8)
            # Other files may begin with any number.
            data = length + file.read(min(int.from_bytes(length, "little"), self._fs.size(path)))
        try:
            tensors = _header(data)
            config = json.loads(tensors.pop("__metadata__")[_CONFIG])
        except (KeyError, ValueError) as error:
            raise self._unreadable(path, error) from error
        shapes = {name: tensor["shape"] for name, tensor in tensors.items()}
        return json.dumps({**config, "tensors": shapes})  # type: ignore[return-value,unused-ignore]

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "record": self._record}


def _header(data: bytes) -> dict[str, Any]:
    """The JSON before the tensors: its length in 8 bytes, then itself."""
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    return header
