"""MNIST and Fashion-MNIST."""

from __future__ import annotations

from typing import ClassVar

from reb_pipeline.datasets.layouts.one_vs_rest import OneVsRestBase
from reb_pipeline.datasets.layouts.packed_files import N_CLASSES, Packed, read_idx_files


class MNISTDataset(OneVsRestBase):
    """MNIST: four idx files, gzipped or not, in the data root or in `MNIST/raw`, where torchvision puts them.

    The categories are `digit_0` to `digit_9`. For the arguments see
    :class:`~reb_pipeline.datasets.layouts.one_vs_rest.OneVsRestBase`.
    """

    _classes = tuple(f"digit_{digit}" for digit in range(N_CLASSES))
    _places = ("", "MNIST/raw")
    _names: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    }
    _suffixes = ("", ".gz")
    _remedy = (
        "the four idx files of MNIST (train-images-idx3-ubyte and so on, gzipped or not): run once "
        "torchvision.datasets.MNIST(FOLDER, download=True) and then with --params data_root=FOLDER."
    )

    def _read(self, paths: tuple[str, ...], keys: tuple[str, ...]) -> Packed:
        return read_idx_files(self._fs, paths, keys)


class FashionMNISTDataset(MNISTDataset):
    """Fashion-MNIST: the files of MNIST, in the data root or in torchvision's `FashionMNIST/raw`."""

    _classes = (
        "t_shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot"
    )  # fmt: skip
    _places = ("", "FashionMNIST/raw")
    _remedy = (
        "the four idx files of Fashion-MNIST (train-images-idx3-ubyte and so on, gzipped or not): install Debian's "
        "package dataset-fashion-mnist and run with --params data_root=/usr/share/datasets/fashion-mnist, or run once "
        "torchvision.datasets.FashionMNIST(FOLDER, download=True) and then with --params data_root=FOLDER."
    )
