"""Layouts of MNIST and Fashion-MNIST."""

from __future__ import annotations

from typing import ClassVar

from reb_pipeline.datasets.layouts.one_vs_rest import OneVsRestBase
from reb_pipeline.datasets.layouts.packed_files import N_CLASSES, Packed, read_idx_files


class MNISTDataset(OneVsRestBase):
    """MNIST: four idx files, gzipped or not, in the data root or in `MNIST/raw`, torchvision's folder.

    The categories are `digit_0` to `digit_9`. For the arguments see
    :class:`~reb_pipeline.datasets.layouts.one_vs_rest.OneVsRestBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.MNISTDataset
          path: data/01_raw
          category: "{category}"
          calibration: 0.1
          max_train: 1000
          max_test: 1000
        ```

        The same in Python:

        >>> import fsspec
        >>> import numpy as np
        >>> from reb_pipeline.datasets import MNISTDataset
        >>> memory = fsspec.filesystem("memory")
        >>> labels = np.arange(10, dtype=np.uint8)  # one image of each digit
        >>> for kind, values in (("images-idx3", labels[:, None, None]), ("labels-idx1", labels)):
        ...     head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        ...     for official in ("train", "t10k"):
        ...         memory.pipe(f"/mnist/{official}-{kind}-ubyte", head + values.tobytes())
        >>> dataset = MNISTDataset(path="memory:///mnist", category="digit_3")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples[:3]]
        [('train', 'good'), ('test', 'digit_0'), ('test', 'digit_1')]
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
    """Fashion-MNIST: the files of MNIST, in the data root or in `FashionMNIST/raw`, torchvision's folder.

    For the arguments see :class:`~reb_pipeline.datasets.layouts.one_vs_rest.OneVsRestBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.FashionMNISTDataset
          path: data/01_raw
          category: "{category}"
          calibration: 0.1
          max_train: 1000
          max_test: 1000
        ```
    """

    _classes = (
        "t_shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot"
    )  # fmt: skip
    _places = ("", "FashionMNIST/raw")
    _remedy = (
        "the four idx files of Fashion-MNIST (train-images-idx3-ubyte and so on, gzipped or not): install Debian's "
        "package dataset-fashion-mnist and run with --params data_root=/usr/share/datasets/fashion-mnist, or run once "
        "torchvision.datasets.FashionMNIST(FOLDER, download=True) and then with --params data_root=FOLDER."
    )
