"""Files of many images: what is read from them, and what is said of broken ones."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import packed_miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.layouts.packed_files import parse_cifar10, parse_idx


def test_both_versions_of_cifar10_are_the_same(tmp_path: Path) -> None:
    tables, images = [], []
    for make in (packed_miniatures.make_cifar10, packed_miniatures.make_cifar10_binary):
        root = make(tmp_path / make.__name__)
        collection = datasets.CIFAR10Dataset(path=root, category="bird").load()
        tables.append(collection.table)
        images.append([collection.read(sample.path) for sample in collection.samples])
    assert tables[0].equals(tables[1])
    assert images[0] == images[1]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("train-images-idx3-ubyte", lambda data: data[:-1], "cannot reshape"),
        ("train-images-idx3-ubyte", lambda data: b"GIF89a", "does not begin like an idx file"),
        ("train-images-idx3-ubyte", lambda data: data[:9], "cannot be read"),
        ("train-labels-idx1-ubyte", lambda data: data[:-1] + b"\n", "labels .12. of up to 10"),
        ("train-labels-idx1-ubyte", lambda data: data[:7] + b"\1" + data[8:9], "labels .1. of up"),
    ],
)
def test_broken_idx_files(tmp_path: Path, file: str, change: Callable, message: str) -> None:
    folder = packed_miniatures.make_mnist(tmp_path) / "MNIST/raw"
    (folder / file).write_bytes(change((folder / file).read_bytes()))
    with pytest.raises(InputError, match=f"{file}'.*{message}.*take the file"):
        datasets.MNISTDataset(path=tmp_path, category="digit_0").check()


def test_gzip_that_was_cut(tmp_path: Path) -> None:
    file = packed_miniatures.make_fashion_mnist(tmp_path) / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz' cannot be read"):
        datasets.FashionMNISTDataset(path=tmp_path, category="t_shirt").load()


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x02}q\x00.", b"\x05" * 3072])
def test_broken_batches_of_cifar10(tmp_path: Path, data: bytes) -> None:
    folder = packed_miniatures.make_cifar10(tmp_path) / "cifar-10-batches-py"
    (folder / "data_batch_3").write_bytes(data)
    dataset = datasets.CIFAR10Dataset(path=tmp_path, category="airplane")
    with pytest.raises(InputError, match=r"data_batch_3' cannot be read \(.*take the file"):
        dataset.check()


class _Harmful:
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def test_a_batch_that_would_run_code_is_refused(tmp_path: Path) -> None:
    root = packed_miniatures.make_cifar10(tmp_path)
    harm = tmp_path / "harm"
    batch = {"data": _Harmful(str(harm)), "labels": []}
    (root / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(InputError, match=r"test_batch'.*asks for posix\.mkdir"):
        datasets.CIFAR10Dataset(path=root, category="airplane").load()
    assert not harm.exists()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_idx_round_trip(shape: list[int], random: Any) -> None:
    values = np.frombuffer(random.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    assert np.array_equal(parse_idx(head + values.tobytes()), values)


def test_batch_pickled_by_this_python() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
    images, labels = parse_cifar10(pickle.dumps({"data": rows, "labels": [3, 9]}, protocol=3))
    assert np.array_equal(images[1, 4, 5], rows[1].reshape(3, 32, 32)[:, 4, 5])
    assert labels.tolist() == [3, 9]
