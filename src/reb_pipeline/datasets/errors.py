"""Error of a dataset whose file or folder cannot be used."""

from kedro.io import DatasetError

from reb_pipeline.core.errors import InputError


class InputDatasetError(DatasetError, InputError):
    """Error of the user in a file or folder; Kedro passes it on without a longer text."""
