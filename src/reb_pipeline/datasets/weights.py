"""Dataset of the weights of a network in one .safetensors file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kedro.utils import load_obj

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.versioned_file import RecordFile

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview

    from reb_pipeline.core.network_weights import NetworkWeights

# Entry in the header of the file with the configuration as JSON text.
_CONFIG = "config"


class WeightsDataset(RecordFile):
    """Loads and saves a :class:`reb_pipeline.core.network_weights.NetworkWeights` as a safetensors file.

    The configuration is in the header. Any tool that reads safetensors can use the file; this project also reads it
    through ``features.weights``.

    Args:
        record: Dotted path of the class of the record, imported on first use.
        file: Arguments of :class:`~reb_pipeline.datasets.versioned_file.VersionedFile`.

    Example:
        An entry of the catalog:

        ```yaml
        backbone:
          type: reb_pipeline.datasets.WeightsDataset
          record: reb_pipeline.features.adapted.BackboneWeights
          filepath: data/06_models/backbone.safetensors
          versioned: true
        ```

        The same in Python:

        >>> import torch
        >>> from reb_pipeline.core.network_weights import NetworkWeights
        >>> from reb_pipeline.datasets import WeightsDataset
        >>> dataset = WeightsDataset(
        ...     record="reb_pipeline.core.network_weights.NetworkWeights",
        ...     filepath="memory:///decoder.safetensors",
        ... )
        >>> dataset.save(NetworkWeights({"bias": torch.zeros(3)}, {"loss": "cosine"}))
        >>> dataset.load().config
        {'loss': 'cosine'}
    """

    def load(self) -> NetworkWeights:
        """Load weights and configuration.

        Raises:
            InputDatasetError: If the file is incomplete, has no configuration, or a value is not finite.
        """
        from safetensors.torch import load

        record_class = load_obj(self._record)
        path = self._load_path()
        with self._fs.open(path, "rb") as file:
            data = file.read()
        try:
            config = json.loads(_header(data)["__metadata__"][_CONFIG])
            weights: NetworkWeights = record_class(load(data), config)
        except Exception as error:  # safetensors has its own error, outside of Python's errors
            raise self._unreadable(path, error) from error
        for name, tensor in weights.state.items():
            if not tensor.isfinite().all():
                raise InputDatasetError(
                    f"'{path}' has values in '{name}' that are not finite numbers: delete it and run the step that "
                    f"writes it again."
                )
        return weights

    def save(self, data: NetworkWeights) -> None:
        """Save weights and configuration, completely or not at all.

        Raises:
            DatasetError: If the data are not such weights.
        """
        from safetensors.torch import save

        self._check_record(data)
        state = {name: tensor.contiguous() for name, tensor in data.state.items()}
        with self._writing() as file:
            file.write(save(state, {_CONFIG: json.dumps(data.config)}))

    def preview(self) -> JSONPreview:
        """Show the configuration and the shape of each tensor; no tensor is read.

        Raises:
            InputDatasetError: If the file is incomplete.
        """
        path = self._load_path()
        with self._fs.open(path, "rb") as file:
            length = file.read(8)
            # In other files the first bytes may be any number.
            data = length + file.read(min(int.from_bytes(length, "little"), self._fs.size(path)))
        try:
            tensors = _header(data)
            config = json.loads(tensors.pop("__metadata__")[_CONFIG])
        except (KeyError, ValueError) as error:
            raise self._unreadable(path, error) from error
        shapes = {name: tensor["shape"] for name, tensor in tensors.items()}
        return json.dumps({**config, "tensors": shapes})  # type: ignore[return-value,unused-ignore]


def _header(data: bytes) -> dict[str, Any]:
    """Parse the JSON before the tensors: its length in 8 bytes, then its text."""
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    return header
