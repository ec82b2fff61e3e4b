"""Cache of results by everything they depend on, so that nothing is computed twice and a study can be continued.

A cache is any mapping of names to bytes: a dictionary, or fsspec's mapping of a folder. The name of an entry is a hash
of its inputs and settings, the version of the algorithm, and the versions of the libraries that affect numbers. So an
entry is never outdated: after any change its name is another one.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np

from reb_pipeline.core.records import RecordError, read_record, write_record

Cache = MutableMapping[str, bytes]
Arrays = dict[str, np.ndarray]
Record = TypeVar("Record")

# Kind of entry -> version of its algorithm; increase it when the algorithm changes.
ALGORITHMS = {
    "engines": 1,
    "backbones": 3,
    "features": 2,
    "banks": 2,
    "searches": 2,
    "detections": 2,
    "reports": 3,
    "light": 1,
}
# Packages whose versions may change numbers; code that uses another engine than PyTorch adds that engine.
LIBRARIES = (
    "faiss-cpu", "numpy", "opencv-python-headless", "pillow", "scikit-learn", "scipy", "timm",
    "torch", "torchvision",
)  # fmt: skip
# Errors of numpy on files that are cut off or damaged, as on a store that cannot write atomically.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, TypeError, ValueError)


def entry(kind: str, /, **content: Any) -> str:
    """Return the name of an entry, a hash of ``content``, the algorithm's version and the library versions.

    Args:
        kind: A key of :data:`ALGORITHMS`.
        content: JSON values that determine the result.
    """
    versions = {"algorithm": ALGORITHMS[kind], **library_versions(*LIBRARIES)}
    text = json.dumps({"content": content, "versions": versions}, sort_keys=True)
    return f"{kind}/{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def library_versions(*names: str) -> dict[str, str | None]:
    """Find the installed versions of packages; None for a package that is not installed."""
    return {name: _version(name) for name in names}


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def read_arrays(cache: Cache, name: str) -> Arrays | None:
    """Read the arrays of an entry; None if it is missing, cut off or damaged."""
    data = cache.get(f"{name}.npz")
    if data is None:
        return None
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except UNREADABLE:
        return None


def write_arrays(cache: Cache, name: str, arrays: Arrays) -> None:
    """Write arrays as one entry."""
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    cache[f"{name}.npz"] = data.getvalue()


def remember_arrays(cache: Cache, name: str, make: Callable[[], Arrays]) -> Arrays:
    """Read the arrays of an entry; make and write them if it is missing."""
    found = read_arrays(cache, name)
    if found is None:
        found = make()
        write_arrays(cache, name, found)
    return found


def remember_record(
    cache: Cache, name: str, record_class: type[Record], make: Callable[[], Record]
) -> Record:
    """Read a record (:mod:`reb_pipeline.core.records`); make and write it if the entry is missing or damaged."""
    data = cache.get(f"{name}.npz")
    if data is not None:
        with suppress(RecordError):
            return read_record(record_class, io.BytesIO(data), is_local=False)
    made = make()
    file = io.BytesIO()
    write_record(made, file)
    cache[f"{name}.npz"] = file.getvalue()
    return made


def remember_json(cache: Cache, name: str, make: Callable[[], Any]) -> Any:
    """Read a JSON value; make and write it if the entry is missing, cut off or damaged."""
    data = cache.get(f"{name}.json")
    if data is not None:
        with suppress(ValueError):
            return json.loads(data)
    made = make()
    cache[f"{name}.json"] = json.dumps(made).encode()
    return made
