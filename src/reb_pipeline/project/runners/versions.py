"""One version for all outputs of a run, on any number of machines and attempts."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractVersionedDataset, Version
from kedro.io.core import VersionNotFoundError

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)


def keep_to_one_version(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Pin the versions of the datasets of a pipeline, in place.

    See :func:`pin_versions`. A repeated node may replace the outputs of its first attempt.

    Args:
        pipeline: The pipeline to run.
        catalog: Catalog with its datasets.
    """
    outputs = pipeline.all_outputs()
    for name in pipeline.datasets():
        if name in outputs and _is_versioned(catalog[name]):
            make_replaceable(catalog[name])
    pin_versions(outputs, pipeline.datasets(), catalog)


def pin_versions(outputs: Iterable[str], names: Iterable[str], catalog: "CatalogProtocol") -> None:
    """Pin the versions of datasets, in place, so that no run that goes on beside this one changes them.

    Outputs are loaded in the version that this run saves, others in that of this run if there is one, else in the
    newest one. A version that was chosen before stays.

    Args:
        outputs: Names of the datasets that the run saves.
        names: Names of all its datasets.
        catalog: Catalog with the datasets.
    """
    outputs = set(outputs)
    for name in names:
        dataset: Any = catalog.get(name)  # None for what is in memory only
        if not _is_versioned(dataset) or dataset._version.load:
            continue
        own = dataset.resolve_save_version()
        load = own if name in outputs else _version_to_load(dataset, own)
        dataset._version = Version(load, own)
        if load is not None and load > own:
            logger.warning(
                "The newest version of %s, %s, is dated after this run: check the clock, and give the folder of this "
                "version in '%s' the name of an earlier moment, or later runs will go on to load it.",
                name,
                load,
                dataset._filepath,
            )


def _is_versioned(dataset: Any) -> bool:
    return isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None


def make_replaceable(dataset: Any) -> None:
    """Let a dataset be saved again under its version, and be loaded in that version."""
    own = dataset.resolve_save_version()
    dataset._version = Version(own, own)
    dataset._exists_function = _nothing_is_there


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
