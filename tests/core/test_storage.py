"""A full or read-only disk gets one sentence with the path and what is needed."""

import errno
import os
import tempfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from kedro.io import DatasetError
from kedro_datasets.pandas import ParquetDataset

from reb_pipeline.core import storage
from reb_pipeline.core.atomic import AtomicLocalFileSystem, register
from reb_pipeline.core.errors import InputError, input_error_behind
from reb_pipeline.core.storage import StorageError, check_writable, mapped_array, writing


@pytest.fixture
def fs() -> AtomicLocalFileSystem:
    register()
    return fsspec.filesystem("file", auto_mkdir=True)


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_with_what_is_needed(
    fs: AtomicLocalFileSystem, tmp_path: Path
) -> None:
    target = tmp_path / "deep/bank.npz"
    file = fs.open(str(target), "wb")
    with open("/dev/full", "wb") as device:
        os.dup2(device.fileno(), file.f.fileno())
    message = (
        rf"'{target}' cannot be written \(No space left on device\): it takes at least 3 MB, and .* are free there; "
        rf"make room, or give a folder of a larger disk, and run again"
    )
    with pytest.raises(StorageError, match=message):
        file.write(bytes(3_000_000))
    file.abandon()
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("call", ["flush", "seek", "close"])
def test_any_call_that_writes_names_the_file(
    fs: AtomicLocalFileSystem, tmp_path: Path, call: str
) -> None:
    """Records are zip files, whose writer seeks."""
    file = fs.open(str(tmp_path / "x"), "wb")
    with open("/dev/full", "wb") as device:
        os.dup2(device.fileno(), file.f.fileno())
    file.write(b"few")
    with pytest.raises(
        StorageError, match=rf"'{tmp_path}/x' cannot be written .* at least 3 bytes"
    ):
        file.seek(0) if call == "seek" else getattr(file, call)()
    file.abandon()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tmpabc/images.npy", "reb-pipeline-abc/images.npy"])
def test_a_full_temporary_folder_names_tmpdir(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match=r"are free there; make room, or let TMPDIR name a"):
        _fail(full(), f"{tempfile.gettempdir()}/{name}")
    with pytest.raises(StorageError, match=r"are free there; make room, or give a folder of a"):
        _fail(full(), f"{tmp_path}/an output")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_disk_that_cannot_be_written(tmp_path: Path, number: int) -> None:
    with pytest.raises(StorageError, match=f"allow to write in '{tmp_path}', or .* can be written"):
        _fail(OSError(number, ""), str(tmp_path / "x"))


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken") as raised:
        _fail(OSError(errno.EIO, "broken"), str(tmp_path / "x"))
    assert not isinstance(raised.value, StorageError)


def _fail(error: OSError, path: str) -> None:
    with writing(path):
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_nobody_asked_is_one_sentence_too(number: int) -> None:
    def fail() -> None:
        try:
            raise OSError(number, "", "/data/x")
        except OSError as error:
            raise DatasetError("Failed while saving") from error

    with pytest.raises(DatasetError) as raised:
        fail()
    found = input_error_behind(raised.value)
    assert isinstance(found, InputError)
    assert str(found).startswith("'/data/x' cannot be written")


def test_a_full_disk_without_a_name_names_both_places() -> None:
    message = str(input_error_behind(full()))
    assert message.startswith("A file cannot be written (No space left on device): make room in")
    assert tempfile.gettempdir() in message


def test_an_unreadable_file_is_no_full_disk() -> None:
    assert input_error_behind(PermissionError(errno.EACCES, "", "/x")) is None
    assert input_error_behind(FileNotFoundError(errno.ENOENT, "", "/x")) is None


def test_a_dataset_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    register()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(full()))
    with pytest.raises(DatasetError) as raised:
        ParquetDataset(filepath=str(tmp_path / "x.parquet")).save(pd.DataFrame({"a": [1]}))
    assert f"'{tmp_path}/x.parquet' cannot be written" in str(input_error_behind(raised.value))
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_checked_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "new/deep/x")
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path)
    with pytest.raises(StorageError, match=f"allow to write in '{tmp_path}'"):
        check_writable(tmp_path / "new/deep/x")


def test_the_space_of_a_mapped_array_is_reserved(tmp_path: Path) -> None:
    array = mapped_array(tmp_path / "x.npy", np.uint8, (3, 1000, 1000))
    assert (array.shape, array.dtype, array.any()) == ((3, 1000, 1000), np.uint8, False)
    assert os.stat(tmp_path / "x.npy").st_blocks * 512 >= array.nbytes
    array[1] = 7
    array.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), array)


def test_a_mapped_array_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: int) -> None:
        raise full()

    monkeypatch.setattr(storage.os, "posix_fallocate", fail)
    with pytest.raises(StorageError, match=r"'.*x.npy' cannot be written .* at least 3 MB"):
        mapped_array(tmp_path / "x.npy", np.uint8, (3, 1000, 1000))
