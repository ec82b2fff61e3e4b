"""Layout of ELPV: electroluminescence images of solar cells."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from reb_pipeline.core.installing import install_command
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.seeded_split import DEFAULT_RATE, SplitFolderBase
from reb_pipeline.images.collection import Sample


class ELPVDataset(SplitFolderBase):
    r"""ELPV: each row of `labels.csv` has the image of a solar cell, its defect probability and its category.

    Probability 0 is good, 1 defective. There are no masks.

    Args:
        category: "mono" or "poly".
        path: Folder of `labels.csv`; None for the folder in the installed package `elpv-dataset`.
        include_uncertain: True to add solar cells with a probability between 0 and 1 to the test images. Their label is
        1 from 0.5
            upwards, else 0, and their defect type is `probability_<p>`.
        split: See :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.
        false_alarm_rate: See there.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.ELPVDataset
          path: data/01_raw
          category: "{category}"
          split: {test: 0.3, calibration: auto, seed: 0}
          false_alarm_rate: 0.05
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import ELPVDataset
        >>> memory = fsspec.filesystem("memory")
        >>> rows = ["images/1.png 0.0 mono", "images/2.png 0.0 mono", "images/3.png 1.0 mono"]
        >>> memory.pipe("/elpv/labels.csv", "\n".join(rows).encode())
        >>> dataset = ELPVDataset(path="memory:///elpv", category="mono")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'defective')]
    """

    def __init__(
        self,
        *,
        category: str,
        path: str | os.PathLike[str] | None = None,
        include_uncertain: bool = False,
        split: dict[str, Any] | None = None,
        false_alarm_rate: float | dict[str, float] = DEFAULT_RATE,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        # Find the package without importing it, so that the catalog stays quick to read.
        package = find_spec("elpv_dataset") if path is None else None
        self._package_is_missing = path is None and package is None
        if package is not None and package.origin is not None:
            path = os.path.join(os.path.dirname(package.origin), "data")
        super().__init__(
            path=path or "",
            category=category,
            split=split,
            false_alarm_rate=false_alarm_rate,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
        )
        self._include_uncertain = include_uncertain

    def check(self) -> None:
        """Check that the package of the images is installed, and the checks of every layout.

        Raises:
            InputDatasetError: Also if the package is not installed.
        """
        if self._package_is_missing:
            raise InputDatasetError(
                "The ELPV images come with the package elpv-dataset, which is not installed: run "
                f"`{install_command('demo')}`, or set the dataset's `path`."
            )
        super().check()

    def _categories(self) -> list[str]:
        return sorted({category for _, _, category in self._rows()})

    def _own_folder(self) -> str:
        return ""

    def _known_files(self) -> list[str]:
        return ["labels.csv", *(path for path, _, _ in self._rows())]

    def _good_images(self) -> list[str]:
        return [path for path, probability in self._cells() if probability == 0]

    def _other_samples(self) -> list[Sample]:
        samples = []
        for path, probability in self._cells():
            if probability == 1:
                samples.append(self._defective(path, "defective"))
            elif probability > 0 and self._include_uncertain:
                label, kind = int(probability >= 0.5), f"probability_{probability:.2f}"
                samples.append(Sample(self._id(path), path, "test", label, kind))
        return samples

    def _cells(self) -> list[tuple[str, float]]:
        """List (path, probability) of the solar cells of the category, sorted."""
        return sorted((path, p) for path, p, category in self._rows() if category == self._category)

    def _rows(self) -> list[tuple[str, float, str]]:
        path = self._absolute("labels.csv")
        try:
            with self._fs.open(path, "r", encoding="utf-8") as file:
                rows = [line.split() for line in file if line.strip()]
            return [(image, float(probability), category) for image, probability, category in rows]
        except (FileNotFoundError, ValueError) as error:
            raise InputDatasetError(
                f"'{path}' is no table of image, probability and category ({error}): take the file "
                "from the original data set."
            ) from error

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "include_uncertain": self._include_uncertain}
