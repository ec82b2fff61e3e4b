"""Values that stored results were made with, by the manifests of earlier runs."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import copy
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError, Version
from kedro.runner import SequentialRunner

from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, COMPUTE
from reb_pipeline.tracking.lineage import Manifest, value_of

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

_BEFORE = "_before"  # end of the name of what an update goes on from
_DIGITS = 32  # of the hash of a file, 128 bits


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


def content_of(dataset: Any, version: str) -> str | None:
    """Hash the local file of a version of a dataset; of a packaged model the manifest, which hashes all else.

    Returns:
        None if there is no such file, or it is on other storage, where reading it would take long.
    """
    if getattr(dataset, "_protocol", None) not in ("file", "local"):
        return None
    path = Path(dataset._get_versioned_path(version))
    path = path / "model.json" if path.is_dir() else path
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:_DIGITS]


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
        # Each part of a run has a manifest of its own.
        parts = (self._load(version) for version in self._versions() if version >= run_id)
        return next((one for one in parts if _has_run(one, run_id, node)), None)

    def made_otherwise(
        self, name: str, version: Any, parameters: dict[str, Any], sources: dict[str, Any]
    ) -> list[str]:
        """Describe by what values the step that made a dataset differs from this run, see :func:`changes`."""
        then, step = self._making(name, version)
        return list(changes(step["inputs"], then, parameters, sources)) if step else []

    def other_origins(self, versions: dict[str, str], contents: dict[str, str]) -> Iterator[str]:
        """Describe which inputs of a run do not belong together, by what they were made from.

        Args:
            versions: Version of each input that has one.
            contents: Hash of the file of each of them, if it is known.

        Yields:
            Sentences without the full stop.
        """
        of_run = {name: f"{name} of run {version}" for name, version in versions.items()}
        unknown = [
            of_run[name] for name, version in versions.items() if not self._making(name, version)[1]
        ]
        if unknown and self._versions():  # runs of former versions left no manifest
            yield f"No manifest says how {', '.join(unknown)} was made"
        for name, version in versions.items():
            saved = self._content(name, version)
            if saved and contents.get(name, saved) != saved:
                yield f"{of_run[name]} is not the file that this run saved"
        origins = {name: self._origins(name, version) for name, version in versions.items()}
        for name, found in origins.items():
            others = [
                of_run[one]
                for one in sorted(found.keys() & contents.keys())
                # An update goes on from what it read under the name with this end.
                if found[one].isdisjoint({contents[one], *origins[one].get(f"{one}{_BEFORE}", ())})
            ]
            if others:
                yield f"{of_run[name]} was made from other data than {', '.join(others)}"
        for one, other in combinations(versions, 2):
            shared = (origins[one].keys() & origins[other].keys()) - versions.keys()
            differing = sorted(
                name for name in shared if origins[one][name].isdisjoint(origins[other][name])
            )
            if differing:
                yield f"{of_run[one]} and {of_run[other]} differ in {', '.join(differing)} that they were made from"

    def _making(self, name: str, version: Any) -> tuple[Manifest, Any]:
        """Find the manifest of the run that made a dataset, and the step; both empty if there is none."""
        name = name.removesuffix(_BEFORE)
        for then in self._of_run(version) if isinstance(version, str) else ():
            for step in then.get("steps", {}).values():
                if name in step["outputs"]:
                    return then, step
        return {}, None

    def _content(self, name: str, version: str) -> str | None:
        contents = self._making(name, version)[0].get("contents", {})
        content: str | None = contents.get(name.removesuffix(_BEFORE))
        return content

    def _origins(self, name: str, version: str) -> dict[str, set[str]]:
        """Collect the hashes of all that a dataset was made from, directly or not, by name."""
        found: dict[str, set[str]] = defaultdict(set)
        to_visit, visited = [(name, version)], set()
        while to_visit:
            one = to_visit.pop()
            if one in visited:
                continue
            visited.add(one)
            then, step = self._making(*one)
            for origin in step["inputs"] if step else ():
                if is_parameter(origin):
                    continue
                content = then.get("contents", {}).get(origin)
                if content:
                    found[origin].add(content)
                source = then["inputs"].get(origin, one[1])  # else made by the same run
                if isinstance(source, str):
                    to_visit.append((origin, source))
        return found

    def _versions(self) -> list[str]:
        try:
            versions: list[str] = self._dataset.list_versions(full_path=False)
        except DatasetError:
            return []
        return versions

    def _of_run(self, run_id: str) -> Iterator[Manifest]:
        """Yield the manifests of a run, of which each part has its own."""
        first = self._load(run_id)
        if first is not None:
            yield first
            if first.get("run_id") == run_id and first.get("finished", True):
                return
        for version in self._versions():
            one = self._load(version) if version > run_id else None
            if isinstance(one, dict) and one.get("run_id") == run_id:
                yield one

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
