"""Lineage of stored results: the runs and steps behind them, by all manifests, and what these were made with."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Manifest = dict[str, Any]

PROJECT = "reb-pipeline"
_PARAMETER, _ALL_PARAMETERS = "params:", "parameters"  # names in Kedro's catalog
_RAW_IMAGES = ".raw_images"
_SAMPLES = "/samples.parquet"
_DIGITS = 12  # of a fingerprint, as it is shown


@dataclass(frozen=True)
class Made:
    """A dataset in the version of one run.

    Attributes:
        name: Its name in the catalog.
        manifest: Manifest of the run that made it.
        step: Inputs and outputs of the node that made it.
    """

    name: str
    manifest: Manifest
    step: dict[str, list[str]]

    @property
    def file(self) -> tuple[str, str]:
        """Path below the folder of results, and version."""
        return self.manifest.get("files", {}).get(self.name, ""), self.manifest["run_id"]


@dataclass(frozen=True)
class Facts:
    """Parameters, data and code that a result was made with; every value is a text.

    Attributes:
        parameters: All parameters that the steps behind it read, by flat names such as ``scoring.alpha``.
        data: Where the images are from, how many there are, and their fingerprint.
        code: Commit, version of the project, and of Python.
        libraries: Versions of the libraries that the project requires.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)

    def changes_since(self, before: "Facts") -> list[str]:
        """Describe every value that differs, such as ``scoring.alpha: 0.5 → 1.0``; ``–`` stands for none."""
        found = []
        for kind in ("parameters", "data", "code", "libraries"):
            then, now = getattr(before, kind), getattr(self, kind)
            for name in sorted(then.keys() | now.keys()):
                if then.get(name) != now.get(name):
                    found.append(f"{name}: {then.get(name, '–')} → {now.get(name, '–')}")
        return found


class Lineage:
    """Search for the steps behind stored datasets.

    Args:
        manifests: Manifests of all runs; those of older versions, which name neither steps nor files, are left out.
    """

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._by_run: dict[str, list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            if {"run_id", "steps", "files"} <= manifest.keys():
                self._by_run[manifest["run_id"]].append(manifest)

    def results(self, ending: str) -> Iterator[Made]:
        """Yield every dataset whose file has an ending, in each version that a run made; runs by time."""
        for run_id in sorted(self._by_run):
            for manifest in self._by_run[run_id]:
                for step in manifest["steps"].values():
                    for name in step["outputs"]:
                        if manifest["files"].get(name, "").endswith(ending):
                            yield Made(name, manifest, step)

    def inputs(self, made: Made) -> Iterator[Made]:
        """Yield the datasets that the step of a dataset read, if their runs are known."""
        for name in made.step["inputs"]:
            if found := self._origin(made.manifest, name):
                yield found

    def behind(self, made: Made) -> list[Made]:
        """List a dataset and all datasets behind it, each step once."""
        seen: dict[tuple[int, str], Made] = {}
        waiting = [made]
        while waiting:
            one = waiting.pop()
            key = (id(one.manifest), one.step["outputs"][0])
            if key not in seen:
                seen[key] = one
                waiting += self.inputs(one)
        return list(seen.values())

    def _origin(self, manifest: Manifest, name: str) -> Made | None:
        version = manifest["inputs"].get(name, manifest["run_id"])
        if name.startswith(_PARAMETER) or not isinstance(version, str):
            return None
        file = manifest["files"].get(name)
        for one in [manifest, *self._by_run.get(version, ())]:
            if one["run_id"] == version:
                for step in one["steps"].values():
                    for output in step["outputs"]:
                        # An input may have another name than the output of an earlier run, but not another file.
                        if output == name or (file and one["files"].get(output) == file):
                            return Made(output, one, step)
        return None

    def facts(
        self, made: Made, category: str, samples: "Mapping[tuple[str, str], pd.DataFrame]"
    ) -> Facts:
        """Collect what a dataset of a category was made with.

        Where steps of several runs read different values of a parameter, that of the newest run counts: what matters
        to an earlier step is refused by its fingerprint. Where they ran with other data or code, the text has both.

        Args:
            made: The dataset.
            category: Its category, which is cut off the names of parameters.
            samples: Tables of samples by (path, version); those that are not stored any more are missing.
        """
        steps = sorted(self.behind(made), key=lambda one: one.manifest["run_id"])
        parameters: dict[str, str] = {}
        data: dict[str, list[str]] = defaultdict(list)
        tables = set()
        for one in steps:
            for name in one.step["inputs"]:
                if name.startswith(_PARAMETER):
                    value = value_of(one.manifest.get("parameters", {}), name)
                    shown = name.removeprefix(_PARAMETER).removeprefix(f"{category}.")
                    parameters |= dict(_flat(shown, value))
                elif name.endswith(_RAW_IMAGES):
                    source = one.manifest["inputs"].get(name)
                    for key, text in _flat("raw_images", source):
                        data[key].append(text)
                file = one.manifest["files"].get(name, "")
                if file.endswith(_SAMPLES):
                    version = one.manifest["inputs"].get(name, one.manifest["run_id"])
                    tables.add((file, version))
        if tables:
            newest = max(
                tables, key=lambda table: table[1]
            )  # an updated bank has an older one behind it
            for key, text in describe_samples(samples.get(newest)).items():
                data[key].append(text)
        manifests = list({id(one.manifest): one.manifest for one in steps}.values())
        for manifest in manifests:
            for file, digest in manifest.get("weights", {}).items():
                data[f"weights.{file}"].append(digest[:_DIGITS])
        packages = _values([manifest.get("packages", {}) for manifest in manifests])
        commits = _values(
            [{"commit": m.get("commit") or "–", "python": m.get("python", "–")} for m in manifests]
        )
        code = {**commits, PROJECT: packages.pop(PROJECT, ["–"])}
        needed = _requirements()
        libraries = {
            name: texts for name, texts in packages.items() if not needed or _plain(name) in needed
        }
        return Facts(parameters, *map(_joined, (data, code, libraries)))


def value_of(parameters: Mapping[str, Any], name: str) -> Any:
    """Find parameters by their name in the catalog, such as ``params:mono.scoring``; None if they are not there."""
    if name == _ALL_PARAMETERS:
        return parameters
    value: Any = parameters
    for place in name.removeprefix(_PARAMETER).split("."):
        value = value.get(place) if isinstance(value, dict) else None
    return value


def describe_samples(samples: "pd.DataFrame | None") -> dict[str, str]:
    """Count the images of each split, and make a fingerprint of all: hashes of files with split, label and defect.

    Names and order of the images do not matter.

    Args:
        samples: Table of samples; None if it is not stored any more.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"split": ["train"], "label": [0], "defect_type": ["good"], "sha256": ["ab"]})
        >>> describe_samples(table)
        {'images.fingerprint': '7bac54bbde43', 'images.train': '1'}
    """
    if samples is None:
        return {"images.fingerprint": "not stored any more"}
    content = "sha256" if "sha256" in samples else "path"  # older versions had no hashes
    columns = (samples[name].tolist() for name in (content, "split", "label", "defect_type"))
    rows = sorted(zip(*columns, strict=True))
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    counts = samples["split"].value_counts().sort_index()
    return {
        "images.fingerprint": digest[:_DIGITS],
        **{f"images.{split}": str(count) for split, count in counts.items()},
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the values of nested names as texts, by names with dots."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from _flat(f"{name}.{key}", value[key])
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _values(mappings: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for mapping in mappings:
        for name, text in mapping.items():
            found[name].append(text)
    return found


def _joined(values: Mapping[str, list[str]]) -> dict[str, str]:
    """Join what differs within one lineage."""
    return {name: " and ".join(dict.fromkeys(texts)) for name, texts in sorted(values.items())}


@cache
def _requirements() -> set[str]:
    """List the packages that the project requires without extras; empty if its metadata are not installed."""
    try:
        lines = requires(PROJECT) or []
    except PackageNotFoundError:
        return set()
    return {_plain(re.split(r"[^\w.-]", line)[0]) for line in lines if "extra ==" not in line}


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
