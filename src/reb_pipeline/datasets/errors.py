"""The error of a dataset whose file or folder cannot be used as it is."""

from kedro.io import DatasetError

from reb_pipeline.core.errors import InputError


class InputDatasetError(DatasetError, InputError):
    """An :class:`InputError` that Kedro hands on as it is, not wrapped in a longer text."""
