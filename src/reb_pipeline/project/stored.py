"""Survey of what runs stored in a folder, and removal of what no kept run needs.

Versions of datasets, entries of study caches and manifests are removed. Checkpoints, journals of inspections and their
tables are not: the next run goes on from them.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import size_text, writing
from reb_pipeline.project.folder_lock import FolderLock

MANIFEST = "08_reporting/run_manifest.json"
STUDY_CACHE = "study_cache"
_LAYERS = "0[2-8]_*"  # not the raw images
_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")  # as Kedro writes them
_HISTORIES = {"inspections.parquet"}  # the drift of parts is measured over all their versions
_CLOCKS = 3600  # seconds by which the clocks of a run and of its storage may differ
_NO_RUN = "of no known run"


@dataclass(frozen=True)
class Run:
    """A run, by the manifests of all its parts.

    Attributes:
        run_id: Version of all that it stored.
        manifests: Its manifests, one for each part.
    """

    run_id: str
    manifests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        """True if every part ended without an error."""
        return all(manifest.get("finished", True) for manifest in self.manifests)

    @property
    def is_recorded(self) -> bool:
        """True if the manifests name the files of datasets; those of older versions do not."""
        return all("files" in manifest for manifest in self.manifests)

    @property
    def started(self) -> float:
        """Moment of the start, in seconds since 1970."""
        moment = datetime.strptime(self.run_id, "%Y-%m-%dT%H.%M.%S.%fZ")
        return moment.replace(tzinfo=UTC).timestamp()

    @property
    def pipelines(self) -> str:
        """Names of the pipelines that were run, in a few words."""
        chosen = [manifest.get("run", {}).get("pipeline_names", ()) for manifest in self.manifests]
        return ", ".join(dict.fromkeys(name for names in chosen for name in names)) or "default"

    def reads(self, name: str) -> bool:
        """Return True if it read a dataset that no step of it made."""
        return any(name in manifest.get("inputs", {}) for manifest in self.manifests)

    def pinned(self) -> Iterator[tuple[str | None, str]]:
        """Yield (path of the dataset below the folder, version) of all that it read and made.

        The path is None if it is not recorded; any dataset may be meant then.
        """
        for manifest in self.manifests:
            files = manifest.get("files", {})
            for name, version in [
                *manifest.get("inputs", {}).items(),
                *manifest.get("outputs", {}).items(),
            ]:
                if isinstance(version, str):
                    yield files.get(name), version

    def read_whole(self) -> set[str]:
        """Collect what its manifests say of inputs without versions, such as a folder with all versions of one."""
        described = (
            value
            for manifest in self.manifests
            for source in manifest.get("inputs", {}).values()
            if isinstance(source, dict)
            for value in source.values()
        )
        return {str(value) for value in described}


@dataclass(frozen=True)
class Part:
    """Something that is removed whole or not at all: the version of a dataset, an entry of a cache, or a kind of files.

    Attributes:
        path: Its file or folder.
        owner: Run that made it, or what it is.
        n_bytes: Space that it takes.
        is_needed: False if it may be removed.
    """

    path: Path
    owner: str
    n_bytes: int
    is_needed: bool


@dataclass(frozen=True)
class Survey:
    """Stored parts of a folder, and which of them no kept run needs.

    Attributes:
        runs: All runs, the oldest first.
        kept: Ids of the runs whose results stay complete.
        parts: All that is stored; manifests come last.
    """

    runs: list[Run]
    kept: set[str]
    parts: list[Part]

    @property
    def removable(self) -> list[Part]:
        """Parts that no kept run needs."""
        return [part for part in self.parts if not part.is_needed]

    def table(self) -> str:
        """Format one line for each run, for what belongs to none, and for the sum."""
        states = {run.run_id: self._state(run) for run in self.runs}
        owners = [*states, *dict.fromkeys(p.owner for p in self.parts if p.owner not in states)]
        rows = [("", "", "takes", "to remove")]
        for owner in owners:
            of_owner = [part for part in self.parts if part.owner == owner]
            if of_owner:
                rows.append((owner, states.get(owner, ""), *_sizes(of_owner)))
        rows.append(("all", "", *_sizes(self.parts)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = (
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}"
            for a, b, c, d in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def _state(self, run: Run) -> str:
        words = [run.pipelines, *["unfinished"] * (not run.is_finished)]
        return "; ".join([*words, *["kept"] * (run.run_id in self.kept)])


def _sizes(parts: list[Part]) -> tuple[str, str]:
    """Format the space that parts take, and what of it is to be removed."""
    removed = [part.n_bytes for part in parts if not part.is_needed]
    return size_text(sum(part.n_bytes for part in parts)), size_text(
        sum(removed)
    ) if removed else "-"


def lock_folder(root: Path) -> FolderLock:
    """Lock a folder of results against runs.

    Args:
        root: The folder, ``output_root`` of the runs.

    Returns:
        The lock, to be released.

    Raises:
        InputError: If it is no such folder, or a run writes to it.
    """
    if not (root / MANIFEST).is_dir():
        msg = f"'{root}' holds no results of runs ('{MANIFEST}' is not there): give the output_root of runs."
        raise InputError(msg)
    lock = FolderLock(str(root))
    try:
        lock.take({"", *(folder.name for folder in root.glob(f"{_LAYERS}/*/"))}, shared=False)
    except InputError as error:
        msg = f"A run is writing into '{root}': wait until it has ended."
        raise InputError(msg) from error
    return lock


def survey(root: Path, keep: int) -> Survey:
    """List the stored parts of a folder, and mark those that are needed.

    Kept are the given number of finished runs, the newest, and all later ones. Needed is every version that a kept run
    made or read, the newest version of every dataset, and every entry of a study cache that a run used whose results
    are needed. Parts of no known run stay.

    Args:
        root: The folder, ``output_root`` of the runs.
        keep: Number of finished runs whose results stay complete.

    Raises:
        InputError: If a manifest that tells what a kept run needs cannot be read.
    """
    versions = list(_versions(root))
    newest = _newest(versions)
    runs, unread = _read_manifests(root)
    finished = [run.run_id for run in runs.values() if run.is_finished]
    oldest = finished[-keep] if len(finished) >= keep else ""
    for version, file in unread.items():
        if version >= oldest:
            msg = (
                f"'{file}' cannot be read, so that it is not known what its run needs: put the file back, or remove "
                f"its folder if that run is not to be kept."
            )
            raise InputError(msg)
    # An interrupted run whose results are the newest is begun again with what it began with.
    open_ends = {v for v in newest.values() if v in runs and not runs[v].is_finished}
    kept = {run_id for run_id in runs if run_id >= oldest} | open_ends
    pinned = {pin for run_id in kept for pin in runs[run_id].pinned()}
    whole = {text for run_id in kept for text in runs[run_id].read_whole()}

    def is_needed(dataset: str, version: str) -> bool:
        return (
            version not in runs
            or version in kept
            or newest.get(dataset) == version
            or not pinned.isdisjoint({(dataset, version), (None, version)})
            or Path(dataset).name in _HISTORIES
            or any(text.endswith(f"/{dataset}") for text in whole)
        )

    parts = []
    needed_runs = set(kept)
    for dataset, version, folder in versions:
        if dataset != MANIFEST:
            needed = is_needed(dataset, version)
            owner = version if version in runs else _NO_RUN
            parts.append(Part(folder, owner, _space(folder), needed))
            needed_runs |= {owner} if needed and owner in runs else set()
    parts += _cache_entries(root, [runs[run_id] for run_id in sorted(needed_runs)])
    parts += _never_removed(root)
    for run in runs.values():
        for manifest in run.manifests:
            folder = root / MANIFEST / manifest["version"]
            parts.append(Part(folder, run.run_id, _space(folder), run.run_id in needed_runs))
    return Survey(list(runs.values()), kept, parts)


def remove(found: Survey) -> None:
    """Remove all that no kept run needs; manifests last, so that an interrupted removal can be repeated.

    Raises:
        StorageError: If something cannot be removed.
    """
    for part in found.removable:
        with writing(part.path):
            if part.path.is_dir():
                shutil.rmtree(part.path)
            else:
                part.path.unlink(missing_ok=True)


def _versions(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (path of the dataset below the root, version, its folder) of all versions; links are not followed."""
    for layer in sorted(root.glob(f"{_LAYERS}/")):
        for place, folders, _ in os.walk(layer):
            dataset = Path(place)
            found = sorted(name for name in folders if _VERSION.fullmatch(name))
            for name in found:
                if not (dataset / name).is_symlink():
                    yield dataset.relative_to(root).as_posix(), name, dataset / name
            folders[:] = [name for name in folders if name not in found and name != STUDY_CACHE]


def _newest(versions: list[tuple[str, str, Path]]) -> dict[str, str]:
    """Find the version of each dataset that Kedro loads: the last that holds the file of the dataset."""
    newest: dict[str, str] = {}
    for dataset, version, folder in versions:
        if (folder / Path(dataset).name).exists():
            newest[dataset] = max(version, newest.get(dataset, ""))
    return newest


def _read_manifests(root: Path) -> tuple[dict[str, Run], dict[str, Path]]:
    """Read the manifests of all runs, by run id, the oldest first, and list those that cannot be read, by version."""
    runs: dict[str, Run] = {}
    unread: dict[str, Path] = {}
    for dataset, version, folder in _versions(root):
        file = folder / Path(MANIFEST).name
        if dataset != MANIFEST or not file.exists():
            continue
        try:
            manifest = {**json.loads(file.read_bytes()), "version": version}
            run_id = manifest["run_id"]
        except (OSError, ValueError, TypeError, KeyError):
            unread[version] = file
        else:
            runs.setdefault(run_id, Run(run_id)).manifests.append(manifest)
    return dict(sorted(runs.items())), unread


def _cache_entries(root: Path, runs: list[Run]) -> Iterator[Part]:
    """Yield the entries of all study caches; a run that reads an entry marks it with the time.

    Args:
        root: The folder.
        runs: Runs whose results are needed.
    """
    for cache in sorted(root.glob(f"{_LAYERS}/*/{STUDY_CACHE}/")):
        name = f"{cache.parent.name}.{STUDY_CACHE}"
        users = [run for run in runs if run.reads(name)]
        since = min((run.started for run in users), default=float("inf"))
        if not all(run.is_recorded for run in users):  # older versions did not mark what they read
            since = 0.0
        for file in _files(cache):
            status = file.lstat()
            needed = status.st_mtime >= since - _CLOCKS
            yield Part(file, f"study cache of {cache.parent.name}", status.st_size, needed)


def _never_removed(root: Path) -> Iterator[Part]:
    """Yield what has no versions and is gone on from: checkpoints, and the journals and overlays of inspections."""
    for kind, pattern in (
        ("checkpoints", f"{_LAYERS}/*/*checkpoint*.pt"),
        ("journals of inspections", f"{_LAYERS}/*/inspection_files/"),
    ):
        for path in sorted(root.glob(pattern)):
            yield Part(path, kind, _space(path), is_needed=True)


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in sorted(names))


def _space(path: Path) -> int:
    """Sum the sizes of a file, or of all files of a folder, in bytes."""
    files = _files(path) if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files)
