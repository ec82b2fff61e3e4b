"""One version for all outputs of a run, on any number of machines and attempts."""

from typing import TYPE_CHECKING, Any

from kedro.io import Version
from kedro.io.core import VersionNotFoundError

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline


def keep_to_one_version(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Pin the versions of the datasets of a pipeline, in place.

    Outputs are loaded in the version that this run saves, even if another run saves a newer one at the same time. A
    repeated node may replace the outputs of its first attempt. Inputs are loaded in the version of this run if another
    part of the run saved one, else in the newest existing version.

    Args:
        pipeline: The pipeline to run.
        catalog: Catalog with its datasets.
    """
    outputs = pipeline.all_outputs()
    for name in pipeline.datasets():
        dataset: Any = catalog[name]
        version = getattr(dataset, "_version", None)
        if not version:
            continue
        own = dataset.resolve_save_version()
        if name in outputs:
            dataset._exists_function = _nothing_is_there
            dataset._version = Version(own, own)
        else:
            dataset._version = Version(version.load or _version_to_load(dataset, own), own)


def _version_to_load(dataset: Any, own: str) -> str | None:
    if dataset._exists_function(str(dataset._get_versioned_path(own))):
        return own
    try:
        return str(dataset.resolve_load_version())
    except VersionNotFoundError:
        return None  # the error is raised when it is loaded


def _nothing_is_there(path: str) -> bool:
    """Answer Kedro's check for an existing file with False, so that the file may be replaced."""
    return False
