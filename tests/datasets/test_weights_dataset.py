"""A network's file: what goes in comes out, and nothing half-written stays."""

import json
import pickle
from pathlib import Path
from typing import Any

import fsspec
import pytest
import safetensors.torch
import torch
from kedro.io import DataCatalog, DatasetError, Version
from safetensors.torch import load_file, save_file

from reb_pipeline.core.atomic import register
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.datasets import WeightsDataset
from reb_pipeline.features.adapted import BackboneWeights

NAME = "backbone.safetensors"
RECORD = "reb_pipeline.features.adapted.BackboneWeights"


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


@pytest.fixture
def weights() -> BackboneWeights:
    generator = torch.Generator().manual_seed(0)
    convolution = torch.randn(8, 3, 5, 5, generator=generator)
    state = {
        "conv1.weight": convolution.to(memory_format=torch.channels_last),
        "bn1.bias": torch.randn(8, generator=generator),
        "bn1.num_batches_tracked": torch.tensor(7),
    }
    return BackboneWeights(state, {"backbone": "resnet18", "weights": "imagenet", "µ": [0.5, None]})


@pytest.fixture(params=["file", "memory"])
def filepath(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/{NAME}" if request.param == "file" else f"memory://{tmp_path}/{NAME}"


def contents(filepath: str) -> list[str]:
    """Every file below the folder of the dataset."""
    fs, path = fsspec.url_to_fs(filepath)
    return fs.find(path.removesuffix(f"/{NAME}"))


def assert_same(loaded: BackboneWeights, saved: BackboneWeights) -> None:
    assert isinstance(loaded, BackboneWeights)
    assert loaded.config == saved.config
    assert loaded.state.keys() == saved.state.keys()
    for name, tensor in saved.state.items():
        assert loaded.state[name].dtype == tensor.dtype
        assert torch.equal(loaded.state[name], tensor)
    assert loaded.fingerprint == saved.fingerprint


def test_round_trip(filepath: str, weights: BackboneWeights) -> None:
    dataset = WeightsDataset(record=RECORD, filepath=filepath)
    assert not dataset.exists()
    dataset.save(weights)
    assert dataset.exists()
    assert_same(dataset.load(), weights)
    assert_same(pickle.loads(pickle.dumps(dataset)).load(), weights)
    assert len(contents(filepath)) == 1


def test_versions(filepath: str, weights: BackboneWeights) -> None:
    def dataset(save: str, load: str | None = None) -> WeightsDataset:
        return WeightsDataset(record=RECORD, filepath=filepath, version=Version(load, save))

    assert not dataset("1").exists()
    for version in ("1", "2"):
        dataset(version).save(BackboneWeights(weights.state, {"of": version}))
    assert dataset("3").load().config == {"of": "2"}
    assert dataset("3", load="1").load().config == {"of": "1"}
    assert dataset("3").list_versions(full_path=False) == ["2", "1"]
    with pytest.raises(DatasetError, match="must not exist"):
        dataset("2").save(weights)


def test_catalog_entry(tmp_path: Path, weights: BackboneWeights) -> None:
    entry = {
        "type": "reb_pipeline.datasets.WeightsDataset",
        "record": RECORD,
        "filepath": str(tmp_path / NAME),
        "versioned": True,
    }
    catalog = DataCatalog.from_config({"backbone": entry})
    catalog.save("backbone", weights)
    assert_same(catalog.load("backbone"), weights)


def test_any_tool_reads_the_weights(tmp_path: Path, weights: BackboneWeights) -> None:
    path = tmp_path / NAME
    WeightsDataset(record=RECORD, filepath=str(path)).save(weights)
    state = load_file(path)
    assert all(torch.equal(state[name], tensor) for name, tensor in weights.state.items())


def test_the_fingerprint_tells_weights_apart(weights: BackboneWeights) -> None:
    state = dict(weights.state)
    found = {weights.fingerprint, BackboneWeights({**state}, {}).fingerprint}
    assert len(found) == 1  # how they came to be does not matter
    changed = state["conv1.weight"].clone()
    changed[0, 0, 0, 0] += 1e-6
    renamed = {name.replace("bn1", "bn2"): tensor for name, tensor in state.items()}
    for other in ({**state, "conv1.weight": changed}, renamed):
        found.add(BackboneWeights(other, {}).fingerprint)
    assert len(found) == 3
    turned = {name: state[name] for name in reversed(state)}
    assert BackboneWeights(turned, {}).fingerprint == weights.fingerprint


def test_weights_made_from_others_are_refused(weights: BackboneWeights) -> None:
    weights.check_origin("resnet18", "imagenet")
    for backbone, initial, message in (
        ("vgg11_bn", "imagenet", "made from backbone = 'resnet18', not 'vgg11_bn': run the pipe"),
        ("resnet18", "own.pth", r"from weights = 'imagenet', not 'own.pth'.* set features.weights"),
    ):
        with pytest.raises(InputError, match=message):
            weights.check_origin(backbone, initial)


def test_preview_reads_no_tensor(
    filepath: str, weights: BackboneWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = WeightsDataset(record=RECORD, filepath=filepath)
    dataset.save(weights)
    fs, (path,) = dataset._fs, contents(filepath)
    whole = fs.cat(path)
    header = 8 + int.from_bytes(whole[:8], "little")
    fs.pipe_file(path, whole[:header])
    monkeypatch.setattr(safetensors.torch, "load", lambda *_: pytest.fail("tensors are read"))
    assert json.loads(dataset.preview()) == {
        **weights.config,
        "tensors": {"conv1.weight": [8, 3, 5, 5], "bn1.bias": [8], "bn1.num_batches_tracked": []},
    }


def test_the_record_decides_what_comes_back(filepath: str, weights: BackboneWeights) -> None:
    """A backbone is a network's weights as well; the other way round it is not."""
    general = "reb_pipeline.core.network_weights.NetworkWeights"
    dataset = WeightsDataset(record=general, filepath=filepath)
    dataset.save(weights)
    assert type(dataset.load()) is NetworkWeights
    assert dataset.load().fingerprint == weights.fingerprint
    with pytest.raises(DatasetError, match=f"stores a {RECORD}, not a NetworkWeights"):
        WeightsDataset(record=RECORD, filepath=filepath).save(dataset.load())


def test_what_it_does_not_store(filepath: str, weights: BackboneWeights) -> None:
    dataset = WeightsDataset(record=RECORD, filepath=filepath)
    with pytest.raises(DatasetError, match=f"stores a {RECORD}, not a dict: save the record"):
        dataset.save(weights.state)
    with pytest.raises(DatasetError, match="not JSON serializable"):
        dataset.save(BackboneWeights(weights.state, {"a": {1}}))
    assert contents(filepath) == []


@pytest.mark.parametrize("versioned", [False, True])
def test_a_failed_write_leaves_nothing(
    filepath: str, weights: BackboneWeights, versioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Version(None, "1") if versioned else None
    dataset = WeightsDataset(record=RECORD, filepath=filepath, version=version)

    def save(*_: Any) -> bytes:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save", save)
        with pytest.raises(DatasetError, match="No space left"):
            dataset.save(weights)
    assert contents(filepath) == []
    assert not dataset.exists()
    dataset.save(weights)
    assert_same(dataset.load(), weights)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(filepath: str, weights: BackboneWeights, value: float) -> None:
    dataset = WeightsDataset(filepath=filepath, record=RECORD)
    weights.state["bn1.bias"][3] = value
    dataset.save(weights)
    with pytest.raises(InputError, match=r"in 'bn1\.bias' that are not finite numbers: delete it"):
        dataset.load()


@pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.99])
def test_a_file_that_is_cut_off(filepath: str, weights: BackboneWeights, share: float) -> None:
    dataset = WeightsDataset(record=RECORD, filepath=filepath)
    dataset.save(weights)
    (path,) = contents(filepath)
    whole = dataset._fs.cat(path)
    dataset._fs.pipe_file(path, whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=f"{NAME}' is cut off .*run the step that writes it again"):
        dataset.load()
    if share < 0.1:  # the header is cut off too
        with pytest.raises(InputError, match=f"{NAME}' is cut off"):
            dataset.preview()


def test_files_of_others(tmp_path: Path, weights: BackboneWeights) -> None:
    path = tmp_path / NAME
    dataset = WeightsDataset(record=RECORD, filepath=str(path))
    for write in (
        lambda: save_file({"bias": torch.zeros(2)}, path),
        lambda: path.write_bytes(b"some text that begins with a huge number"),
        lambda: path.write_bytes((2).to_bytes(8, "little") + b"{}"),
    ):
        write()
        for read in (dataset.load, dataset.preview):
            with pytest.raises(InputError, match="was not written by WeightsDataset"):
                read()
