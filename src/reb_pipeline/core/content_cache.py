"""Results kept by what they depend on, so that nothing is computed twice and an interrupted study goes on.

A cache is any mapping of names to bytes: a dictionary, or fsspec's mapping of a folder. The name of an entry is made of
a hash of everything that decides its content, so an entry never goes stale.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np

Cache = MutableMapping[str, bytes]
Arrays = dict[str, np.ndarray]


def entry(kind: str, /, **content: Any) -> str:
    """Name of what ``content``, JSON values, decides."""
    text = json.dumps(content, sort_keys=True)
    return f"{kind}/{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


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


def remember_json(cache: Cache, name: str, make: Callable[[], Any]) -> Any:
    """Read a JSON value, or make and keep it."""
    data = cache.get(f"{name}.json")
    if data is not None:
        return json.loads(data)
    made = make()
    cache[f"{name}.json"] = json.dumps(made).encode()
    return made
