"""Values that stored results were made with, by the manifests of earlier runs."""

import json
from collections.abc import Iterable, Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError, Version
from kedro.runner import SequentialRunner

from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, COMPUTE

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

Manifest = dict[str, Any]


def is_parameter(name: str) -> bool:
    """Return True for the name of parameters in the catalog."""
    return name.startswith("params:") or name == ALL_PARAMETERS


def nodes_to_run(
    pipeline: "Pipeline", catalog: "CatalogProtocol", *, only_missing: bool
) -> "Pipeline":
    """Select the nodes that Kedro will run: with ``--only-missing-outputs`` those that lack an output."""
    if not only_missing:
        return pipeline
    return SequentialRunner()._filter_pipeline_for_missing_outputs(pipeline, catalog)


def parameters_read(pipeline: "Pipeline", parameters: dict[str, Any]) -> dict[str, Any]:
    """Select the parameters that the nodes of a pipeline read, in the nesting of all parameters."""
    names = set().union(*(node.inputs for node in pipeline.nodes)) if pipeline.nodes else set()
    if ALL_PARAMETERS in names:
        return parameters
    read: dict[str, Any] = {}
    for name in sorted(names):
        if name.startswith("params:"):
            *places, last = name.removeprefix("params:").split(".")
            inner = read
            for place in places:
                inner = inner.setdefault(place, {})
            inner[last] = value_of(parameters, name)
    return read


def value_of(parameters: dict[str, Any], name: str) -> Any:
    """Find parameters by their name in the catalog; None if they are not there."""
    if name == ALL_PARAMETERS:
        return parameters
    value: Any = parameters
    for place in name.removeprefix("params:").split("."):
        value = value.get(place) if isinstance(value, dict) else None
    return value


class Manifests:
    """Manifests of earlier runs.

    Args:
        dataset: The versioned dataset of the manifest.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._by_version: dict[str, Manifest | None] = {}

    def of(self, run_id: str, node: str) -> Manifest | None:
        """Find the manifest of a run in which a node ran; None if there is none."""
        first = self._load(run_id)
        if _has_run(first, run_id, node):
            return first
        try:
            versions = self._dataset.list_versions(full_path=False)
        except DatasetError:
            return None
        # Each part of a run has a manifest of its own.
        parts = (self._load(version) for version in versions if version >= run_id)
        return next((one for one in parts if _has_run(one, run_id, node)), None)

    def made_otherwise(
        self, name: str, version: Any, parameters: dict[str, Any], sources: dict[str, Any]
    ) -> list[str]:
        """Describe by what values the step that made a dataset differs from this run, see :func:`changes`."""
        then = self._load(version) if isinstance(version, str) else None
        for step in (then or {}).get("steps", {}).values():
            if then and name in step["outputs"]:
                return list(changes(step["inputs"], then, parameters, sources))
        return []

    def _load(self, version: str) -> Manifest | None:
        if version not in self._by_version:
            dataset = copy(self._dataset)
            dataset._version = Version(version, None)
            try:
                self._by_version[version] = dataset.load()
            except DatasetError:
                self._by_version[version] = None
        return self._by_version[version]


def _has_run(manifest: Manifest | None, run_id: str, node: str) -> bool:
    return (
        isinstance(manifest, dict)
        and manifest.get("run_id") == run_id
        and node in manifest.get("nodes", ())
    )


def changes(
    inputs: Iterable[str], then: Manifest, parameters: dict[str, Any], sources: dict[str, Any]
) -> Iterator[str]:
    """Describe what differs from the run that made a result, among the inputs of its node.

    Args:
        inputs: Names of the inputs.
        then: Manifest of that run.
        parameters: All parameters of this run.
        sources: Descriptions of data without versions, such as raw images, by name.

    Yields:
        For each value a text such as ``scoring.alpha = 1.0, not 0.5``, the value of that run first.
    """
    for name in sorted(inputs):
        if name == COMPUTE:
            continue  # where it was made
        if is_parameter(name):
            label = name.removeprefix("params:")
            before, now = value_of(then.get("parameters", {}), name), value_of(parameters, name)
        elif name in sources:
            label, before, now = name, then.get("inputs", {}).get(name), sources[name]
        else:
            continue
        if before is not None:
            yield from _differences(label, before, json.loads(json.dumps(now)))


def _differences(label: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() & now.keys()):  # other versions of the project have others
            if f"params:{key}" != COMPUTE:
                yield from _differences(f"{label}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield f"{label} = {before!r}, not {now!r}"
