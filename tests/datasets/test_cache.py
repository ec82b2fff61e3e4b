"""The cache of studies: a folder that is read and written as a mapping while a node runs."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import fsspec
import pytest
from kedro.io import DataCatalog, DatasetError

from reb_pipeline.core.atomic import register
from reb_pipeline.datasets import CacheDataset


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path if request.param == "file" else f"memory://{tmp_path}"
    return f"{folder}/run [2]/study_cache"  # as a pattern it would find no file


def files(path: str) -> list[str]:
    """Every file below the folder of the cache, as names within it."""
    fs, root = fsspec.url_to_fs(path)
    return [name.removeprefix(f"{root}/") for name in fs.find(root)]


def test_it_is_empty_at_first(path: str) -> None:
    dataset = CacheDataset(path=path)
    dataset.check()
    assert not dataset.exists()
    cache = dataset.load()
    assert isinstance(cache, MutableMapping)
    assert list(cache) == []
    assert cache.get("banks/x.npz") is None
    assert "banks/x.npz" not in cache


def test_another_instance_sees_what_was_written(path: str) -> None:
    cache = CacheDataset(path=path).load()
    cache["banks/a.npz"] = b"old"
    cache["banks/a.npz"] = b"new"
    cache.update({"features/deep/b.npy": b"", "c.json": b"\x00\xff"})

    next_run = CacheDataset(path=path)
    assert next_run.exists()
    other = next_run.load()
    expected = {"banks/a.npz": b"new", "features/deep/b.npy": b"", "c.json": b"\x00\xff"}
    assert dict(other) == expected
    assert sorted(files(path)) == sorted(expected)
    del other["c.json"]
    assert "c.json" not in cache


def test_loading_again_forgets_nothing(path: str) -> None:
    dataset = CacheDataset(path=path)
    dataset.load()["x"] = b"1"
    assert dict(dataset.load()) == {"x": b"1"}


def test_nodes_do_not_return_it(path: str) -> None:
    dataset = CacheDataset(path=path)
    with pytest.raises(DatasetError, match="is written while a node runs: load it, and write"):
        dataset.save({"x": b"1"})
    assert files(path) == []


def test_catalog_entry(path: str) -> None:
    entry = {"type": "reb_pipeline.datasets.CacheDataset", "path": path, "metadata": {"layer": "x"}}
    DataCatalog.from_config({"cache": entry}).load("cache")["x"] = b"1"
    assert dict(DataCatalog.from_config({"cache": entry}).load("cache")) == {"x": b"1"}


def test_credentials_are_not_shown() -> None:
    dataset = CacheDataset(path="memory:///cache", credentials={"token": "secret"})
    assert dataset._fs.storage_options == {"token": "secret"}
    for shown in (repr(dataset), str(dataset), str(dataset._describe())):
        assert "secret" not in shown
    assert dataset._describe() == {"path": "/cache", "protocol": "memory"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_killed_write_leaves_no_half_entry(
    tmp_path: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CacheDataset(path=str(tmp_path)).load()
    cache["banks/old"] = b"whole"

    def write(self: Any, data: bytes) -> int:
        self.f.write(bytes(data)[:3])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("reb_pipeline.core.atomic._AtomicFile.write", write, raising=False)
        for name in ("banks/old", "banks/new"):
            with pytest.raises(type(error)):
                cache[name] = b"another"

    assert dict(CacheDataset(path=str(tmp_path)).load()) == {"banks/old": b"whole"}
    assert files(str(tmp_path)) == ["banks/old"]
