"""Files of all runs, by their names, from the partitions of whole folders that the catalog lists."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError

if TYPE_CHECKING:
    from reb_pipeline.tracking.comparison import Stored

Partitions = Mapping[str, Callable[[], Any]]
MANIFESTS = "run_manifest.json/"
REPORTING, PRIMARY, MODEL_OUTPUT = "08_reporting", "03_primary", "07_model_output"


def stored_by_runs(reports: Partitions, samples: Partitions, scores: Partitions) -> "Stored":
    """Name everything that runs stored by (path below the folder of results, version).

    Files that cannot be read, such as those that an older version of the project wrote, count as not stored.

    Args:
        reports: Openers of all JSON files in the folder of the reporting layer, the manifests among them.
        samples: Openers of all Parquet files of the primary layer.
        scores: Openers of all Parquet files of the model output.
    """
    from reb_pipeline.tracking.comparison import Stored

    opened = (_open(opener) for name, opener in reports.items() if name.startswith(MANIFESTS))
    return Stored(
        [manifest for manifest in opened if isinstance(manifest, dict)],
        _by_file(reports, REPORTING, ".json"),
        _by_file(samples, PRIMARY, ".parquet"),
        _by_file(scores, MODEL_OUTPUT, ".parquet"),
    )


def _by_file(
    partitions: Partitions, layer: str, suffix: str
) -> dict[tuple[str, str], Callable[[], Any]]:
    """Read ``mono/metrics.json/<version>/metrics`` as the file ``<layer>/mono/metrics.json`` in this version."""
    found: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, opener in partitions.items():
        file, _, stem = name.rpartition("/")
        file, _, version = file.rpartition("/")
        if file.rpartition("/")[2] == stem + suffix:
            found[f"{layer}/{file}", version] = partial(_open, opener)
    return found


def _open(opener: Callable[[], Any]) -> Any:
    try:
        return opener()
    except DatasetError:
        return None
