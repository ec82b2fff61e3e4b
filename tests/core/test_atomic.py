"""A local write that fails leaves nothing, whichever dataset does it."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import matplotlib
import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DatasetError, Version
from kedro_datasets.json import JSONDataset
from kedro_datasets.matplotlib import MatplotlibDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.plotly import JSONDataset as PlotlyDataset
from matplotlib.figure import Figure

from reb_pipeline.core.atomic import AtomicLocalFileSystem, register

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


@pytest.fixture
def fs() -> AtomicLocalFileSystem:
    return fsspec.filesystem("file", auto_mkdir=True)


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_register_twice_serves_both_names() -> None:
    register()
    assert type(fsspec.filesystem("file")) is AtomicLocalFileSystem
    assert type(fsspec.filesystem("local")) is AtomicLocalFileSystem


@pytest.mark.parametrize("mode", ["w", "wt", "wb"])
def test_the_name_appears_at_the_close(
    fs: AtomicLocalFileSystem, tmp_path: Path, mode: str
) -> None:
    content = b"new" if mode == "wb" else "new"
    target = tmp_path / "deep/x"
    with fs.open(str(target), mode) as file:
        file.write(content)
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert files(tmp_path) == ["deep/x"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("mode", ["w", "wb"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_keeps_the_old_file(
    fs: AtomicLocalFileSystem, tmp_path: Path, mode: str, error: type[BaseException]
) -> None:
    (tmp_path / "x").write_text("old")
    content = "n" * 100_000

    def fail() -> None:
        with fs.open(str(tmp_path / "x"), mode) as file:
            file.write(content if mode == "w" else content.encode())
            raise error

    with pytest.raises(error):
        fail()
    assert files(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_disk_that_is_full_at_the_last_flush(
    fs: AtomicLocalFileSystem, tmp_path: Path, mode: str
) -> None:
    file = fs.open(str(tmp_path / "x"), mode)
    raw = file.buffer if mode == "w" else file
    raw.f.close()
    raw.f = open("/dev/full", "wb")  # noqa: SIM115
    file.write("few" if mode == "w" else b"few")
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed
    assert files(tmp_path) == []


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_the_bytes_are_on_the_disk_before_the_name_is(
    fs: AtomicLocalFileSystem, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut may leave an empty file under the name of a finished one."""
    synced: list[tuple[str, bool]] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "x").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with fs.open(str(tmp_path / "x"), mode) as file:
        file.write("few" if mode == "w" else b"few")
    ((name, is_there),) = synced
    assert name.endswith(".partial")
    assert not is_there


@pytest.mark.parametrize("name", ["parts [2026]", "what?", "[]", "a[!b]"])
def test_versions_below_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path, name: str) -> None:
    for version in ("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"):
        path = str(tmp_path / name / "x.json")
        JSONDataset(filepath=path, version=Version(None, version)).save({"version": version})
    assert JSONDataset(filepath=path, version=Version(None, None)).load() == {"version": version}


def test_text_arguments(fs: AtomicLocalFileSystem, tmp_path: Path) -> None:
    with fs.open(str(tmp_path / "x"), "w", encoding="latin-1", newline="\r\n") as file:
        file.write("ä\n")
    assert (tmp_path / "x").read_bytes() == b"\xe4\r\n"


def test_links_are_written_through(fs: AtomicLocalFileSystem, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "link").symlink_to("x")
    with fs.open(str(tmp_path / "link"), "w") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "x").read_text() == "new"


def test_what_stays_as_it_was(fs: AtomicLocalFileSystem, tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    with fs.open(path, "a") as file:
        file.write("ab")
    with fs.open(path, "r") as file:
        assert file.read() == "ab"
    with fs.transaction, fs.open(path, "wb") as file:
        file.write(b"c")
    assert fs.cat(path) == b"c"
    with fs.open("/dev/null", "wb") as file:
        file.write(b"d")
    assert not os.path.isfile("/dev/null")
    with pytest.raises(IsADirectoryError):
        fs.open(str(tmp_path), "wb")


# Kedro's own datasets


class _Unwritable(io.StringIO):
    """A JSON value that lets the text begin and then fails."""


def figure() -> Figure:
    shown = Figure()
    shown.subplots().plot([1, 2])
    return shown


# (dataset, what it saves, what it fails at half-way; None to let the disk fill up instead)
CASES: list[tuple[Callable[..., Any], Any, Any]] = [
    (JSONDataset, {"a": 1}, {"a": "x" * 100_000, "b": _Unwritable()}),
    (CSVDataset, pd.DataFrame({"a": [1, 2]}), None),
    (ParquetDataset, pd.DataFrame({"a": [1, 2]}), None),
    (PlotlyDataset, go.Figure(), None),
    (MatplotlibDataset, figure(), None),
]


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize(
    ("make", "good", "bad"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_kedro_datasets(
    make: Callable[..., Any],
    good: Any,
    bad: Any,
    *,
    versioned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dataset(save: str) -> Any:
        version = Version(None, save) if versioned else None
        return make(filepath=str(tmp_path / "x.file"), version=version)

    dataset("1").save(good)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert len(before) == 1

    with monkeypatch.context() as patch:
        if bad is None:

            def write(self: Any, data: bytes) -> int:
                self.f.write(bytes(data)[:1])
                raise OSError(28, "No space left on device")

            patch.setattr("reb_pipeline.core.atomic._AtomicFile.write", write, raising=False)
        with pytest.raises(DatasetError):
            dataset("2").save(good if bad is None else bad)

    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    assert dataset("2").exists()
    if versioned:
        # The empty folder of the failed version is no version, and its name can be used again.
        assert dataset("2").list_versions(full_path=False) == ["1"]
        dataset("2").save(good)
        assert dataset("3").list_versions(full_path=False) == ["2", "1"]
