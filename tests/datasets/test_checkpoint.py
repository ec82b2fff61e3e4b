"""The checkpoint's file: there or not, replaced entirely or not at all."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from kedro.io import DataCatalog, DatasetError

from reb_pipeline.core import resumable_training
from reb_pipeline.core.atomic import register
from reb_pipeline.datasets import Checkpoint, CheckpointDataset

NAME = "checkpoint.pt"


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


@pytest.fixture(params=["file", "memory"])
def filepath(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path if request.param == "file" else f"memory://{tmp_path}"
    return f"{folder}/category/{NAME}"


def contents(filepath: str) -> list[str]:
    """Every file below the folder of the dataset."""
    fs, path = fsspec.url_to_fs(filepath)
    return fs.find(path.removesuffix(f"/{NAME}"))


def state(value: float) -> dict[str, Any]:
    """As a fine-tuning writes it: state dicts, numbers and text."""
    return {
        "identity": {"origin": "a hash", "settings": {"seed": 0}},
        "history": {"updates": [{"loss": value}], "validations": []},
        "network": {"weight": torch.full((3, 4), value), "steps": torch.tensor(5)},
        "optimizer": {"state": {0: {"momentum_buffer": None}}, "param_groups": [{"lr": 0.1}]},
    }


def assert_same(read: dict[str, Any] | None, written: dict[str, Any]) -> None:
    assert read is not None
    weights, expected = read.pop("network"), written.pop("network")
    assert read == written
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_nothing_is_there_at_first(filepath: str) -> None:
    dataset = CheckpointDataset(filepath=filepath)
    dataset.check()
    assert not dataset.exists()
    checkpoint = dataset.load()
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.read() is None
    assert contents(filepath) == []


def test_what_is_written_last_is_read(filepath: str) -> None:
    checkpoint = CheckpointDataset(filepath=filepath).load()
    for value in (1.0, 2.0):
        checkpoint.write(state(value))
        assert_same(checkpoint.read(), state(value))
    assert len(contents(filepath)) == 1
    next_run = CheckpointDataset(filepath=filepath)
    assert next_run.exists()
    assert_same(next_run.load().read(), state(2.0))
    assert_same(pickle.loads(pickle.dumps(checkpoint)).read(), state(2.0))


def test_catalog_entry(tmp_path: Path) -> None:
    entry = {
        "type": "reb_pipeline.datasets.CheckpointDataset",
        "filepath": str(tmp_path / "category" / NAME),
    }
    checkpoint = DataCatalog.from_config({"checkpoint": entry}).load("checkpoint")
    checkpoint.write(state(1.0))
    assert_same(
        DataCatalog.from_config({"checkpoint": entry}).load("checkpoint").read(), state(1.0)
    )


def test_nodes_do_not_return_it(filepath: str) -> None:
    dataset = CheckpointDataset(filepath=filepath)
    with pytest.raises(DatasetError, match="is written while a node runs: load it, and write"):
        dataset.save(state(1.0))
    assert contents(filepath) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_one(
    filepath: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = CheckpointDataset(filepath=filepath).load()
    checkpoint.write(state(1.0))

    def save(_: object, file: Any) -> None:
        file.write(b"the first bytes")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(type(error)):
            checkpoint.write(state(2.0))
    assert_same(checkpoint.read(), state(1.0))
    assert len(contents(filepath)) == 1


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = CheckpointDataset(filepath=str(tmp_path / NAME))
    checkpoint = dataset.load()
    checkpoint.write(state(1.0))
    open_file = dataset._fs.open

    def open_on_a_full_disk(*args: Any, **names: Any) -> Any:
        file = open_file(*args, **names)

        def write(data: memoryview) -> None:
            file.f.write(data[:100])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(file, "write", write, raising=False)
        return file

    with monkeypatch.context() as patch:
        patch.setattr(dataset._fs, "open", open_on_a_full_disk)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.write(state(2.0))
    assert_same(checkpoint.read(), state(1.0))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_file_that_is_cut_off_is_not_used(
    filepath: str, share: float, messages_of: Callable[..., list[str]]
) -> None:
    warnings = messages_of(resumable_training.logger)
    dataset = CheckpointDataset(filepath=filepath)
    dataset.load().write(state(1.0))
    (path,) = contents(filepath)
    whole = dataset._fs.cat(path)
    dataset._fs.pipe_file(path, whole[: int(len(whole) * share)])
    assert dataset.load().read() is None
    (warning,) = warnings
    assert f"{NAME}' is cut off or damaged (" in warning
    assert warning.endswith("): it is not used.")
    dataset.load().write(state(2.0))
    assert_same(dataset.load().read(), state(2.0))


@pytest.mark.parametrize("data", [b"hello world", b"some\nlines\n", b"\x80\x02.", b"PK\x03\x04"])
def test_files_of_others(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / NAME
    path.write_bytes(data)
    assert CheckpointDataset(filepath=str(path)).load().read() is None


def test_nothing_but_data_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / NAME
    torch.save({"code": Path("/")}, path)
    assert CheckpointDataset(filepath=str(path)).load().read() is None
