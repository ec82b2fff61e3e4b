"""Reading of files with many small images each: idx (MNIST, Fashion-MNIST) and both versions of CIFAR-10."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from reb_pipeline.datasets.errors import InputDatasetError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

N_CLASSES = 10

_CIFAR_SHAPE = (3, 32, 32)  # channels, rows, columns
# First byte of a pickle of protocol 2 or higher; a binary batch starts with a label.
_PICKLE = b"\x80"
_NEEDED_BY_ARRAYS = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}

Packed = tuple[np.ndarray, np.ndarray]
T = TypeVar("T")


# Nodes and categories read the same two sets of images one after another, so both are cached.
@lru_cache(maxsize=2)
def read_idx_files(
    filesystem: AbstractFileSystem, paths: tuple[str, str], keys: tuple[str, ...]
) -> Packed:
    """Read a file of images and the file of their labels; gzipped if the name ends with .gz.

    Args:
        filesystem: File system of the files.
        paths: Images, then labels.
        keys: A key of each file that changes with its content, so that a changed file is read again.

    Returns:
        Images uint8 [n, rows, columns] and labels uint8 [n].

    Raises:
        InputDatasetError: If a file cannot be read, or the files do not match.
    """
    images, labels = (_read(filesystem, path, parse_idx) for path in paths)
    return _checked(images, labels, paths)


@lru_cache(maxsize=2)
def read_cifar10_files(
    filesystem: AbstractFileSystem, paths: tuple[str, ...], keys: tuple[str, ...]
) -> Packed:
    """Read batches of CIFAR-10, in the Python or the binary version.

    Args:
        filesystem: File system of the files.
        paths: The batches in their order.
        keys: See :func:`read_idx_files`.

    Returns:
        Images uint8 [n, 32, 32, 3] and labels uint8 [n].

    Raises:
        InputDatasetError: See :func:`read_idx_files`.
    """
    batches = [_read(filesystem, path, parse_cifar10) for path in paths]
    images, labels = map(np.concatenate, zip(*batches, strict=True))
    return _checked(images, labels, paths)


def parse_idx(data: bytes) -> np.ndarray:
    """Parse an idx file of unsigned bytes.

    The file starts with two zeros, the type of its values (8 for unsigned bytes), the number of axes and, as big-endian
    32-bit integers, their lengths (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").

    Args:
        data: Content of the file, not compressed.

    Returns:
        uint8, with the shape given in the header.

    Raises:
        ValueError: If it is not such a file, or the number of values does not match the shape.

    Example:
        >>> from reb_pipeline.datasets.layouts.packed_files import parse_idx
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))  # three labels
        array([7, 2, 1], dtype=uint8)
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        msg = "it does not begin like an idx file of unsigned bytes"
        raise ValueError(msg)
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def parse_cifar10(data: bytes) -> Packed:
    """Parse a batch of CIFAR-10: a pickle (``cifar-10-batches-py``) or records (``cifar-10-batches-bin``).

    A pickle can execute any code; here it may only use the parts of a NumPy array.

    Args:
        data: Content of the file.

    Returns:
        Images uint8 [n, 32, 32, 3] and labels uint8 [n].

    Raises:
        Exception: Of any type, if the file is broken or uses something else.
    """
    if not data:
        msg = "it is empty"
        raise ValueError(msg)
    if data[:1] == _PICKLE:
        batch = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
        pixels, labels = np.asarray(batch["data"], np.uint8), np.asarray(batch["labels"], np.uint8)
    else:
        records = np.frombuffer(data, np.uint8).reshape(-1, 1 + np.prod(_CIFAR_SHAPE))
        pixels, labels = records[:, 1:], records[:, 0]
    return pixels.reshape(-1, *_CIFAR_SHAPE).transpose(0, 2, 3, 1), labels


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NEEDED_BY_ARRAYS:
            msg = f"it asks for {module}.{name}, which no array needs"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module, name)


def _read(filesystem: AbstractFileSystem, path: str, parse: Callable[[bytes], T]) -> T:
    try:
        with filesystem.open(path, "rb", compression="infer") as file:
            return parse(file.read())
    except Exception as error:  # file systems, gzip, pickle and NumPy have their own exceptions
        raise InputDatasetError(
            f"'{path}' cannot be read ({error}): take the file from the original download."
        ) from error


def _checked(images: np.ndarray, labels: np.ndarray, paths: tuple[str, ...]) -> Packed:
    fits = images.ndim >= 3 and labels.shape == (len(images),) and labels.max(initial=0) < N_CLASSES
    if not fits:
        raise InputDatasetError(
            f"{', '.join(map(repr, paths))} hold images {list(images.shape)} and labels {list(labels.shape)} of up to "
            f"{labels.max(initial=0)}, not as many images as labels of 0 to {N_CLASSES - 1}: take the files from the "
            "original download."
        )
    return images, labels
