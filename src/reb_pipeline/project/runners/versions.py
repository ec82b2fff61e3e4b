"""One version for everything that one run saves, on however many machines and in however many tries."""

from typing import TYPE_CHECKING, Any

from kedro.io import Version
from kedro.io.core import VersionNotFoundError

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline


def keep_to_one_version(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Pin the versions of the pipeline's datasets, in place.

    Outputs are loaded in the version in which this run saves them, even where another run saves a newer one meanwhile,
    and a node that is repeated may replace what its first try saved. Inputs are loaded in this run's version where
    another part of the run saved one, else in the newest that is there now.

    Args:
        pipeline: What is about to run.
        catalog: Where its datasets are.
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
        return None  # whoever loads it says so


def _nothing_is_there(path: str) -> bool:
    """Answer Kedro's question whether a file would be replaced."""
    return False
