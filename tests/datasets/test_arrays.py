"""Records of arrays: what goes in comes out, and nothing half-written stays."""

import json
import pickle
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from kedro.io import DataCatalog, DatasetError, Version

from reb_pipeline.core import records
from reb_pipeline.core.atomic import register
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import ArraysDataset


@dataclass(frozen=True)
class Bank:
    features: np.ndarray
    names: np.ndarray
    threshold: float | None
    recipe: dict[str, Any]


@dataclass(frozen=True)
class OtherBank:
    features: np.ndarray


RECORD = f"{__name__}.Bank"


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


@pytest.fixture
def bank() -> Bank:
    features = np.random.default_rng(0).random((200, 64), dtype=np.float32)
    return Bank(features, np.array(["a", "ü"]), None, {"layers": ["layer2"], "k": 5, "µ": 0.5})


@pytest.fixture(params=["file", "memory"])
def filepath(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/bank.npz" if request.param == "file" else f"memory://{tmp_path}/bank.npz"


def contents(filepath: str) -> list[str]:
    """Every file below the folder of the dataset."""
    fs, path = fsspec.url_to_fs(filepath)
    return fs.find(path.removesuffix("/bank.npz"))


def assert_same(loaded: Bank, saved: Bank) -> None:
    assert isinstance(loaded, Bank)
    assert np.array_equal(loaded.features, saved.features)
    assert loaded.features.dtype == saved.features.dtype
    assert np.array_equal(loaded.names, saved.names)
    assert (loaded.threshold, loaded.recipe) == (saved.threshold, saved.recipe)


def test_round_trip(filepath: str, bank: Bank) -> None:
    dataset = ArraysDataset(filepath=filepath, record=RECORD)
    assert not dataset.exists()
    dataset.save(bank)
    assert dataset.exists()
    assert_same(dataset.load(), bank)
    assert_same(pickle.loads(pickle.dumps(dataset)).load(), bank)
    assert len(contents(filepath)) == 1


def test_versions(filepath: str, bank: Bank) -> None:
    def dataset(save: str, load: str | None = None) -> ArraysDataset:
        return ArraysDataset(filepath=filepath, record=RECORD, version=Version(load, save))

    assert not dataset("1").exists()
    for version, threshold in (("1", 1.0), ("2", 2.0)):
        dataset(version).save(Bank(bank.features, bank.names, threshold, {}))
    assert dataset("3").load().threshold == 2.0
    assert dataset("3", load="1").load().threshold == 1.0
    assert dataset("3").list_versions(full_path=False) == ["2", "1"]
    with pytest.raises(DatasetError, match="must not exist"):
        dataset("2").save(bank)


def test_catalog_entry(tmp_path: Path, bank: Bank) -> None:
    entry = {
        "type": "reb_pipeline.datasets.ArraysDataset",
        "filepath": str(tmp_path / "bank.npz"),
        "record": RECORD,
        "versioned": True,
    }
    catalog = DataCatalog.from_config({"bank": entry})
    catalog.save("bank", bank)
    assert_same(catalog.load("bank"), bank)


def test_preview_reads_headers_only(
    filepath: str, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ArraysDataset(filepath=filepath, record=RECORD)
    dataset.save(bank)
    shapes = []
    read_array = np.lib.format.read_array

    def spy(member: Any, **args: Any) -> np.ndarray:
        array = read_array(member, **args)
        shapes.append(array.shape)
        return array

    monkeypatch.setattr(np.lib.format, "read_array", spy)
    assert json.loads(dataset.preview()) == {
        "arrays": {
            "features": {"shape": [200, 64], "dtype": "float32"},
            "names": {"shape": [2], "dtype": "<U1"},
        },
        "format": 1,
        "threshold": None,
        "recipe": bank.recipe,
    }
    assert shapes == [()]  # the one text of the fields that are no arrays


def test_what_it_does_not_store(filepath: str, bank: Bank) -> None:
    dataset = ArraysDataset(filepath=filepath, record=RECORD)
    objects = np.array([{}, None])
    for data, message in (
        (bank.features, "stores a .*Bank, not a ndarray"),
        (Bank(objects, bank.names, None, {}), "'features' of .* array of Python objects"),
        (Bank(bank.features, bank.names, None, {"a": {1}}), "neither a numpy array nor a JSON"),
        (Bank(bank.features, bank.names, float("nan"), {}), "neither a numpy array nor a JSON"),
    ):
        with pytest.raises(DatasetError, match=message):
            dataset.save(data)
    assert contents(filepath) == []


@pytest.mark.parametrize("versioned", [False, True])
def test_a_failed_write_leaves_nothing(
    filepath: str, bank: Bank, versioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Version(None, "1") if versioned else None
    dataset = ArraysDataset(filepath=filepath, record=RECORD, version=version)

    def write_array(file: Any, *_: Any, **__: Any) -> None:
        file.write(b"some bytes")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", write_array)
        with pytest.raises(DatasetError, match="No space left"):
            dataset.save(bank)
    assert contents(filepath) == []
    assert not dataset.exists()
    dataset.save(bank)
    assert_same(dataset.load(), bank)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_file_that_is_cut_off(filepath: str, bank: Bank, share: float) -> None:
    dataset = ArraysDataset(filepath=filepath, record=RECORD)
    dataset.save(bank)
    (path,) = contents(filepath)
    fs = dataset._fs
    whole = fs.cat(path)
    fs.pipe_file(path, whole[: int(len(whole) * share)])
    for read in (dataset.load, dataset.preview):
        with pytest.raises(InputError, match=r"bank.npz' is cut off"):
            read()


def test_a_record_of_another_class(tmp_path: Path, bank: Bank) -> None:
    path = str(tmp_path / "bank.npz")
    ArraysDataset(filepath=path, record=RECORD).save(bank)
    with pytest.raises(
        InputError, match=r"has the fields \['features', 'names'.*OtherBank has.*writes it again"
    ):
        ArraysDataset(filepath=path, record=f"{__name__}.OtherBank").load()


def test_a_record_of_a_newer_format(tmp_path: Path, bank: Bank) -> None:
    path = tmp_path / "bank.npz"
    np.savez(path, features=bank.features, metadata=json.dumps({"format": 2}))
    with pytest.raises(InputError, match=r"bank.npz' has format 2 .*: update reb-pipeline\.$"):
        ArraysDataset(filepath=str(path), record=f"{__name__}.OtherBank").load()


@pytest.fixture
def _maps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Map arrays of any size."""
    monkeypatch.setattr(records, "MAPPED_BYTES", 0)


@pytest.mark.usefixtures("_maps_all")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8])
def test_large_arrays_of_local_files_are_mapped(
    filepath: str, bank: Bank, dtype: type, order: Any
) -> None:
    features = np.asarray(bank.features * 99, dtype, order=order)
    # Names of odd lengths move what comes after them.
    for names in (bank.names, np.array(["b" * 7]), np.arange(3, dtype=np.uint8)):
        dataset = ArraysDataset(filepath=filepath, record=RECORD)
        saved = Bank(features, names, None, bank.recipe)
        dataset.save(saved)
        loaded = dataset.load()
        assert_same(loaded, saved)
        for array in (loaded.features, loaded.names):
            assert isinstance(array, np.memmap) == (not filepath.startswith("memory"))
            assert array.flags.aligned
        assert np.isfortran(loaded.features) == (order == "F")
        if not filepath.startswith("memory"):
            assert not loaded.features.flags.writeable


def test_small_arrays_are_read(filepath: str, bank: Bank) -> None:
    dataset = ArraysDataset(filepath=filepath, record=RECORD)
    dataset.save(bank)
    assert type(dataset.load().features) is np.ndarray


def test_how_large_a_mapped_array_is(tmp_path: Path, bank: Bank) -> None:
    features = np.zeros(records.MAPPED_BYTES, np.uint8)
    dataset = ArraysDataset(filepath=str(tmp_path / "bank.npz"), record=RECORD)
    dataset.save(Bank(features, bank.names, None, {}))
    tracemalloc.start()
    loaded = dataset.load()
    dataset.save(loaded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(loaded.features, np.memmap)
    assert type(loaded.names) is np.ndarray
    assert peak < features.nbytes * 0.8  # a map is saved piece by piece


@pytest.mark.usefixtures("_maps_all")
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_files_of_numpy_itself(tmp_path: Path, bank: Bank, write: Any) -> None:
    path = tmp_path / "bank.npz"
    members = {"features": bank.features, "names": bank.names}
    write(path, **members, metadata=json.dumps({"threshold": None, "recipe": bank.recipe}))
    loaded = ArraysDataset(filepath=str(path), record=RECORD).load()
    assert_same(loaded, bank)
    assert loaded.features.flags.aligned


@pytest.mark.usefixtures("_maps_all")
def test_a_map_stays_what_it_was(tmp_path: Path, bank: Bank) -> None:
    dataset = ArraysDataset(filepath=str(tmp_path / "bank.npz"), record=RECORD)
    dataset.save(bank)
    loaded = dataset.load()
    dataset.save(Bank(bank.features + 1, bank.names, None, {}))
    assert_same(loaded, bank)
    assert np.array_equal(dataset.load().features, bank.features + 1)


def test_numpy_opens_it(tmp_path: Path, bank: Bank) -> None:
    path = tmp_path / "bank.npz"
    ArraysDataset(filepath=str(path), record=RECORD).save(bank)
    with np.load(path, allow_pickle=False) as archive:
        assert np.array_equal(archive["features"], bank.features)
        assert np.array_equal(archive["names"], bank.names)
