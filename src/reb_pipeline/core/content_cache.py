"""Results kept by what they depend on, so that nothing is computed twice and an interrupted study goes on.

A cache is any mapping of names to bytes: a dictionary, or fsspec's mapping of a folder. The name of an entry is a hash
of everything that decides its content: the content's own inputs and settings, the version of the algorithm, and the
versions of the libraries that decide numbers. So an entry never goes stale; what no longer applies is not found.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, MutableMapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np

from reb_pipeline.core.records import RecordError, read_record, write_record

Cache = MutableMapping[str, bytes]
Arrays = dict[str, np.ndarray]
Record = TypeVar("Record")

# Kind of entry -> version of the algorithm that makes it; raise it where the algorithm changes.
ALGORITHMS = {
    "backbones": 2,
    "features": 2,
    "banks": 2,
    "searches": 2,
    "detections": 2,
    "reports": 2,
}
# Distributions whose versions may change numbers; engines besides PyTorch are named by what uses them.
LIBRARIES = (
    "faiss-cpu", "numpy", "opencv-python-headless", "pillow", "scikit-learn", "scipy", "timm",
    "torch", "torchvision",
)  # fmt: skip


def entry(kind: str, /, **content: Any) -> str:
    """Name the entry whose content is decided by ``content``, the algorithm and the libraries.

    Args:
        kind: A key of :data:`ALGORITHMS`.
        content: JSON values.
    """
    versions = {"algorithm": ALGORITHMS[kind], **library_versions(*LIBRARIES)}
    text = json.dumps({"content": content, "versions": versions}, sort_keys=True)
    return f"{kind}/{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def library_versions(*names: str) -> dict[str, str | None]:
    """Installed versions of distributions; None for one that is not installed."""
    return {name: _version(name) for name in names}


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def read_arrays(cache: Cache, name: str) -> Arrays | None:
    """Read arrays; None where there are none, or only a part of them."""
    data = cache.get(f"{name}.npz")
    if data is None:
        return None
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (zipfile.BadZipFile, EOFError, ValueError):
        return None  # cut off on a store that cannot write atomically


def write_arrays(cache: Cache, name: str, arrays: Arrays) -> None:
    """Keep arrays."""
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    cache[f"{name}.npz"] = data.getvalue()


def remember_arrays(cache: Cache, name: str, make: Callable[[], Arrays]) -> Arrays:
    """Read arrays, or make and keep them."""
    found = read_arrays(cache, name)
    if found is None:
        found = make()
        write_arrays(cache, name, found)
    return found


def remember_record(
    cache: Cache, name: str, record_class: type[Record], make: Callable[[], Record]
) -> Record:
    """Read a record, see :mod:`reb_pipeline.core.records`, or make and keep it."""
    data = cache.get(f"{name}.npz")
    if data is not None:
        try:
            return read_record(record_class, io.BytesIO(data), is_local=False)
        except RecordError:
            pass  # cut off on a store that cannot write atomically
    made = make()
    file = io.BytesIO()
    write_record(made, file)
    cache[f"{name}.npz"] = file.getvalue()
    return made


def remember_json(cache: Cache, name: str, make: Callable[[], Any]) -> Any:
    """Read a JSON value, or make and keep it."""
    data = cache.get(f"{name}.json")
    if data is not None:
        return json.loads(data)
    made = make()
    cache[f"{name}.json"] = json.dumps(made).encode()
    return made
