"""Layout of CIFAR-10."""

from __future__ import annotations

from typing import ClassVar

from reb_pipeline.datasets.layouts.one_vs_rest import OneVsRestBase
from reb_pipeline.datasets.layouts.packed_files import Packed, read_cifar10_files


class CIFAR10Dataset(OneVsRestBase):
    """CIFAR-10: batches of the Python or the binary version, in the data root or in the folder of their archive.

    For the arguments see :class:`~reb_pipeline.datasets.layouts.one_vs_rest.OneVsRestBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.CIFAR10Dataset
          path: data/01_raw
          category: "{category}"
          calibration: 0.1
          max_train: 1000
          max_test: 1000
        ```
    """

    _classes = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    )  # fmt: skip
    _places = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
    _names: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    }
    _suffixes = ("", ".bin")
    _remedy = (
        "the batches of CIFAR-10 (data_batch_1 to 5 and test_batch, or the same ending on .bin): run once "
        "torchvision.datasets.CIFAR10(FOLDER, download=True) and then with --params data_root=FOLDER."
    )

    def _read(self, paths: tuple[str, ...], keys: tuple[str, ...]) -> Packed:
        return read_cifar10_files(self._fs, paths, keys)
