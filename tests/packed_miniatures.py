"""Miniatures of the data sets of ten classes, which keep many images in one file."""

import gzip
import pickle
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np

from miniatures import DEFECTS, TEST_GOOD, draw_part

# Official sets of one-vs-rest data: the kind of each image, which decides its class, one of the first three.
ONE_VS_REST = {
    "train": ["good"] * 10 + ["dark_spot", "bright_spot"],
    "test": ["good"] * TEST_GOOD + list(DEFECTS),
}
_LABELS = {"good": 0, "dark_spot": 1, "bright_spot": 2}


def draw_classes(official: str, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Draw an official set: images uint8 [n, SIZE / every, SIZE / every, 3], labels uint8 [n]."""
    kinds = ONE_VS_REST[official]
    first = 0 if official == "train" else 100
    images = [draw_part(seed, kind)[0][::every, ::every] for seed, kind in enumerate(kinds, first)]
    return np.stack(images), np.array([_LABELS[kind] for kind in kinds], np.uint8)


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write uint8 values as an idx file, gzipped if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    data = head + values.tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def make_fashion_mnist(root: Path) -> Path:
    """Fashion-MNIST as Debian packages it: four gzipped files, grey images."""
    for official, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = draw_classes(official)
        write_idx(root / f"{prefix}-images-idx3-ubyte.gz", images[..., 0])
        write_idx(root / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return root


def make_mnist(root: Path) -> Path:
    """MNIST as torchvision leaves it: the files unpacked beside the gzipped ones."""
    for official, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = draw_classes(official)
        for suffix in ("", ".gz"):
            write_idx(root / f"MNIST/raw/{prefix}-images-idx3-ubyte{suffix}", images[..., 0])
            write_idx(root / f"MNIST/raw/{prefix}-labels-idx1-ubyte{suffix}", labels)
    return root


class _Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 did, with which CIFAR-10 was pickled."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def _save_text(self, text: str | bytes) -> None:
        data = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = _save_text


def _cifar10_batches() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Six batches: rows uint8 [n, 3072], channels first, and labels."""
    batches = {}
    for official, names in (
        ("train", [f"data_batch_{number}" for number in range(1, 6)]),
        ("test", ["test_batch"]),
    ):
        images, labels = draw_classes(official, every=2)
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        parts = np.array_split(np.arange(len(images)), len(names))
        batches |= {
            name: (rows[part], labels[part]) for name, part in zip(names, parts, strict=True)
        }
    return batches


def make_cifar10(root: Path) -> Path:
    """CIFAR-10, the Python version in the folder of its archive."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, (rows, labels) in _cifar10_batches().items():
        with (folder / name).open("wb") as file:
            batch = {"data": rows, "labels": labels.tolist()}
            _Python2Pickler(file, protocol=2).dump(batch)
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data.replace(b"numpy._core", b"numpy.core"))
    return root


def make_cifar10_binary(root: Path) -> Path:
    """CIFAR-10, the binary version: records of a label and the pixels."""
    root.mkdir(parents=True, exist_ok=True)
    for name, (rows, labels) in _cifar10_batches().items():
        records = np.concatenate([labels[:, None], rows], axis=1)
        (root / f"{name}.bin").write_bytes(records.tobytes())
    return root
