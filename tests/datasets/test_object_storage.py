"""Every type of dataset on S3 and in memory: what goes in comes out, and nothing half-written stays."""

import io
import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import matplotlib as mpl
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch
from kedro.io import DataCatalog, DatasetError, Version
from kedro_datasets.json import JSONDataset
from kedro_datasets.matplotlib import MatplotlibDataset
from kedro_datasets.plotly import JSONDataset as PlotlyDataset
from kedro_datasets.text import TextDataset
from kedro_datasets.yaml import YAMLDataset
from matplotlib.figure import Figure

from layout_cases import LAYOUTS, Layout
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.datasets import (
    ArraysDataset,
    CacheDataset,
    CheckpointDataset,
    TableDataset,
    WeightsDataset,
)

mpl.use("Agg")
pytest_plugins = ["object_storage"]


@dataclass(frozen=True)
class Record:
    array: np.ndarray
    name: str = "ü"


@dataclass(frozen=True)
class Kind:
    """A type of dataset, what it saves, and a comparable form of what it loads."""

    make: Callable[..., Any]
    data: Any
    seen: Callable[[Any], Any] = lambda loaded: loaded
    arguments: dict[str, Any] = field(default_factory=dict)


def figure() -> Figure:
    shown = Figure()
    shown.subplots().plot([1, 2])
    return shown


TABLE = pd.DataFrame({"path": ["a.png"], "mask_paths": ['["b.png", "c.png"]'], "score": [0.5]})
WEIGHTS = NetworkWeights({"conv": torch.arange(4.0)}, {"backbone": "resnet18"})
KINDS = [
    Kind(
        ArraysDataset,
        Record(np.arange(6.0).reshape(2, 3)),
        lambda r: (r.array.tolist(), r.name),
        {"record": f"{__name__}.Record"},
    ),
    Kind(
        WeightsDataset,
        WEIGHTS,
        lambda w: (w.fingerprint, w.config),
        {"record": "reb_pipeline.core.network_weights.NetworkWeights"},
    ),
    Kind(TableDataset, TABLE, lambda t: t.to_dict()),
    Kind(JSONDataset, {"a": [1, None]}),
    Kind(YAMLDataset, {"a": [1, None]}),
    Kind(TextDataset, "<p>ü</p>"),
    Kind(PlotlyDataset, go.Figure({"data": [{"y": [1, 2]}]}), lambda f: json.loads(f.to_json())),
    Kind(MatplotlibDataset, figure(), None),
]


@pytest.fixture(params=["s3", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "memory":
        yield f"memory://{tmp_path}"
    else:
        yield request.getfixturevalue("bucket") + str(tmp_path)


@pytest.fixture(
    params=KINDS, ids=lambda kind: f"{kind.make.__module__.split('.')[-2]}.{kind.make.__name__}"
)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def files(root: str) -> list[str]:
    fs, path = fsspec.url_to_fs(root)
    fs.invalidate_cache()
    return sorted(name.removeprefix(path).strip("/") for name in fs.find(path))


def test_round_trip_with_versions(kind: Kind, root: str) -> None:
    def dataset(save: str, load: str | None = None) -> Any:
        return kind.make(filepath=f"{root}/x.file", version=Version(load, save), **kind.arguments)

    assert not dataset("1").exists()
    reader = dataset("9")
    for version in ("1", "2"):
        dataset(version).save(kind.data)
        reader.release()
        assert reader.resolve_load_version() == version
    assert files(root) == ["x.file/1/x.file", "x.file/2/x.file"]
    assert dataset("3").list_versions(full_path=False) == ["2", "1"]
    with pytest.raises(DatasetError, match="must not exist"):
        dataset("2").save(kind.data)
    if kind.seen:
        for other in (dataset("3"), dataset("3", load="1"), pickle.loads(pickle.dumps(reader))):
            assert kind.seen(other.load()) == kind.seen(kind.data)
    if hasattr(reader, "preview"):
        assert reader.preview()


def test_another_process_writes_what_this_one_has_listed(root: str) -> None:
    """The listing that a file system keeps must not hide a newer version."""
    dataset = JSONDataset(filepath=f"{root}/x.json", version=Version(None, "1"))
    dataset.save({})
    assert dataset.resolve_load_version() == "1"
    fs, path = fsspec.url_to_fs(f"{root}/x.json", skip_instance_cache=True)
    fs.pipe_file(f"{path}/2/x.json", b"{}")
    dataset.release()
    assert dataset.resolve_load_version() == "2"


class _Unwritable(io.StringIO):
    """A JSON value that lets the text begin and then fails."""


# More than one part of an upload to S3, and less.
@pytest.mark.parametrize("size", [10, 60_000_000])
def test_a_failed_save_leaves_nothing_on_s3(bucket: str, size: int) -> None:
    dataset = JSONDataset(filepath=f"{bucket}/failed_{size}.json", version=Version(None, "1"))
    with pytest.raises(DatasetError, match="not JSON serializable"):
        dataset.save({"a": "x" * size, "b": _Unwritable()})
    assert not dataset.exists()
    assert files(f"{bucket}/failed_{size}.json") == []
    dataset.save({"a": 1})
    assert dataset.load() == {"a": 1}
    uploads = dataset._fs.call_s3("list_multipart_uploads", Bucket="bucket")
    assert not uploads.get("Uploads")


@pytest.mark.parametrize("error", [OSError("cut off"), KeyboardInterrupt()])
def test_an_error_in_the_middle_keeps_the_old_object(
    bucket: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reb_pipeline.core import atomic_s3

    checkpoint = CheckpointDataset(filepath=f"{bucket}/checkpoint.pt").load()
    checkpoint.write({"step": 1})

    def cut_off(self: Any, data: Any) -> int:
        super(type(self), self).write(bytes(data)[:10])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(atomic_s3._AtomicS3File, "write", cut_off, raising=False)
        with pytest.raises(type(error)):
            checkpoint.write({"step": 2})
    assert checkpoint.read() == {"step": 1}


def test_arrays_that_fail_half_way(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"record": f"{__name__}.Record", "filepath": f"{root}/x.npz"}
    dataset = ArraysDataset(version=Version(None, "1"), **arguments)

    def write_array(file: Any, *_: Any, **__: Any) -> None:
        file.write(b"some bytes")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", write_array)
        with pytest.raises(DatasetError, match="No space left"):
            dataset.save(Record(np.zeros(2)))
    assert files(root) == []
    dataset.save(Record(np.zeros(2)))
    assert dataset.exists()


def test_cache_and_checkpoint(root: str) -> None:
    cache = CacheDataset(path=f"{root}/cache")
    assert not cache.exists()
    assert cache.load().get("banks/x") is None
    cache.load().update({"banks/x": b"old", "c.json": b"\x00"})
    cache.load()["banks/x"] = b"new"
    assert dict(CacheDataset(path=f"{root}/cache").load()) == {"banks/x": b"new", "c.json": b"\x00"}
    checkpoint = CheckpointDataset(filepath=f"{root}/checkpoint.pt")
    assert checkpoint.load().read() is None
    for step in (1, 2):
        checkpoint.load().write({"step": step})
        assert CheckpointDataset(filepath=f"{root}/checkpoint.pt").load().read() == {"step": step}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.dataset)
def test_raw_images_in_a_bucket(layout: Layout, bucket: str, tmp_path: Path) -> None:
    local = layout.make(tmp_path / "data")
    fs, path = fsspec.url_to_fs(f"{bucket}/{layout.dataset}")
    fs.put(f"{local}/", f"{path}/", recursive=True)
    fs.invalidate_cache()
    dataset = layout.build(f"{bucket}/{layout.dataset}")
    dataset.check()
    assert dataset.exists()
    assert not layout.build(f"{bucket}/missing").exists()
    here, there = layout.build(local).load(), pickle.loads(pickle.dumps(dataset)).load()
    assert there.samples == here.samples
    assert there.stray_masks == here.stray_masks
    sample = here.samples[-1]
    assert np.array_equal(there.open_image(sample.path), here.open_image(sample.path))
    assert json.dumps(dataset.preview()) == json.dumps(layout.build(local).preview())
    with pytest.raises(DatasetError, match=r"does not (exist|hold)"):
        layout.build(f"{bucket}/missing").check()


def test_credentials_of_the_catalog(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"key": "key", "secret": "hush", "endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    entry = {
        "type": "reb_pipeline.datasets.ArraysDataset",
        "record": f"{__name__}.Record",
        "filepath": f"{bucket}/with_credentials.npz",
        "credentials": "store",
    }
    catalog = DataCatalog.from_config({"bank": entry}, {"store": given})
    catalog.save("bank", Record(np.ones(2)))
    assert catalog.load("bank").array.tolist() == [1, 1]
    assert "hush" not in repr(catalog["bank"])
    cells = datasets.ELPVDataset(path=f"{bucket}/nowhere", category="mono", credentials=given)
    assert "hush" not in repr(cells)
    with pytest.raises(InputError, match="does not exist"):
        cells.check()
