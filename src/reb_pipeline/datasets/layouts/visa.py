"""Layout of VisA."""

from __future__ import annotations

import csv

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.images.collection import Sample


class VisADataset(ImageFolderBase):
    r"""VisA: the table `split_csv/1cls.csv` has object, split, label, image and mask in each row.

    For the arguments see :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.VisADataset
          path: data/01_raw
          category: "{category}"
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import VisADataset
        >>> memory = fsspec.filesystem("memory")
        >>> rows = ["object,split,label,image,mask", "pcb1,train,normal,a.JPG,", "pcb1,test,anomaly,b.JPG,b.png"]
        >>> memory.pipe("/visa/split_csv/1cls.csv", "\n".join(rows).encode())
        >>> dataset = VisADataset(path="memory:///visa", category="pcb1")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'anomaly')]
    """

    def _good_images(self) -> list[str]:
        return [
            sample.path
            for sample in self._list_samples()
            if sample.split == "train" and sample.label == 0
        ]

    def _list_samples(self) -> list[Sample]:
        samples = []
        for row in self._rows():
            if row["object"] != self._category:
                continue
            if row["label"] == "normal":
                samples.append(self._good(row["image"], row["split"]))
            else:
                masks = (row["mask"],) if row["mask"] else ()
                samples.append(self._defective(row["image"], row["label"], masks))
        return sorted(samples, key=lambda sample: sample.path)

    def _mask_files(self) -> list[str]:
        return self._images(self._inside("Data", "Masks", "Anomaly"))

    def _categories(self) -> list[str]:
        return sorted({row["object"] for row in self._rows()})

    def _rows(self) -> list[dict[str, str]]:
        path = self._absolute("split_csv/1cls.csv")
        try:
            with self._fs.open(path, "r", encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError as error:
            raise InputDatasetError(
                f"'{path}' does not exist: set `data_root` to the VisA folder that holds split_csv."
            ) from error
        missing = {"object", "split", "label", "image", "mask"}.difference(*rows[:1])
        if missing:
            raise InputDatasetError(
                f"'{path}' lacks the columns {sorted(missing)}: take the file from the original "
                "download."
            )
        return rows
