"""Layouts that bring no split, whose good images are shared out by seed."""

from __future__ import annotations

import os
from abc import abstractmethod
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.image_folders import ImageFolderBase
from reb_pipeline.datasets.layouts.splits import check_shares, split_good
from reb_pipeline.images.collection import Sample

_DEFAULT_SPLIT = {"train": 0.6, "calibration": 0.1, "seed": 0}


class SplitFolderBase(ImageFolderBase):
    """A layout without a split: good images are shared out by seed, all others are for test.

    Args:
        path: the data root.
        category: the category's name.
        split: shares `train` and `calibration` of the good images, the rest being for test, and the
            `seed` of the draw; what is left out is 0.6, 0.1 and 0.
        credentials: secrets of the file system.
        fs_args: further arguments of the file system.
        metadata: ignored by Kedro, for plugins such as Kedro-Viz.

    Raises:
        InputError: the split has an unknown key or impossible shares.
    """

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        category: str,
        split: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            path=path,
            category=category,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
        )
        self._split = {**_DEFAULT_SPLIT, **(split or {})}
        unknown = sorted(self._split.keys() - _DEFAULT_SPLIT.keys())
        if unknown:
            raise InputError(
                f"The split has the unknown keys {unknown}: it takes {', '.join(_DEFAULT_SPLIT)}."
            )
        check_shares(self._split["train"], self._split["calibration"])

    def _list_samples(self) -> list[Sample]:
        good = self._good_images()
        splits = split_good(map(self._id, good), **self._split)
        samples = [self._good(path, splits[self._id(path)]) for path in good]
        return samples + self._other_samples()

    @abstractmethod
    def _other_samples(self) -> list[Sample]:
        """The samples that are for test whatever the split."""

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "split": self._split}


class MagneticTileDataset(SplitFolderBase):
    """Magnetic Tile: `MT_<Type>/Imgs/<stem>.jpg`, its mask `<stem>.png` beside it, `MT_Free` good.

    The whole root is the one category "magnetic_tile"; defect types are in lower case.
    """

    def _categories(self) -> list[str]:
        return ["magnetic_tile"] if "MT_Free" in self._folders("") else []

    def _good_images(self) -> list[str]:
        return [path for path, _ in self._tiles("MT_Free")]

    def _other_samples(self) -> list[Sample]:
        return [
            self._defective(path, folder.removeprefix("MT_").lower(), mask_paths)
            for folder in self._folders("")
            if folder.startswith("MT_") and folder != "MT_Free"
            for path, mask_paths in self._tiles(folder)
        ]

    def _mask_files(self) -> list[str]:
        # The masks of good tiles are empty and used by nobody, but they are no strays.
        stems = {
            path.rsplit(".", 1)[0] for kind in self._folders("") for path, _ in self._tiles(kind)
        }
        files = [path for kind in self._folders("") for path in self._images(f"{kind}/Imgs")]
        return [
            path
            for path in files
            if path.lower().endswith(".png") and path.rsplit(".", 1)[0] not in stems
        ]

    def _tiles(self, folder: str) -> list[tuple[str, tuple[str, ...]]]:
        """(image, its masks) of each tile in a folder."""
        files = list(map(PurePosixPath, self._images(f"{folder}/Imgs")))
        masks = {file.stem: (str(file),) for file in files if file.suffix.lower() == ".png"}
        return [
            (str(file), masks.get(file.stem, ())) for file in files if file.suffix.lower() != ".png"
        ]


class PlainFolderDataset(SplitFolderBase):
    """Any folder: `<category>/good`, every other folder a defect type, masks where there are some.

    A mask is `<category>/masks/<defect type>/<stem>` or `<stem>_mask`, of any extension.
    """

    def _good_images(self) -> list[str]:
        return self._images(self._inside("good"))

    def _other_samples(self) -> list[Sample]:
        samples = []
        for kind in self._folders(self._inside()):
            if kind not in ("good", "masks"):
                masks = self._masks(self._inside("masks", kind))
                samples += [
                    self._defective(path, kind, masks.get(PurePosixPath(path).stem, ()))
                    for path in self._images(self._inside(kind))
                ]
        return samples

    def _mask_files(self) -> list[str]:
        kinds = self._folders(self._inside("masks"))
        return [path for kind in kinds for path in self._images(self._inside("masks", kind))]


class ELPVDataset(SplitFolderBase):
    """ELPV, solar cells: `labels.csv` has a row of image, probability of a defect and category.

    Good is probability 0, defective 1. There are no masks.

    Args:
        category: "mono" or "poly".
        path: the folder of `labels.csv`; None for the one in the installed package `elpv-dataset`.
        include_uncertain: also test on cells of a probability between 0 and 1: labelled 1 from 0.5
            on, else 0, with the defect type `probability_<p>`.
        split: see :class:`SplitFolderBase`.
        credentials: secrets of the file system.
        fs_args: further arguments of the file system.
        metadata: ignored by Kedro, for plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        category: str,
        path: str | os.PathLike[str] | None = None,
        include_uncertain: bool = False,
        split: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        # Finding the package does not import it: the catalog stays quick to read.
        package = find_spec("elpv_dataset") if path is None else None
        self._package_is_missing = path is None and package is None
        if package is not None and package.origin is not None:
            path = os.path.join(os.path.dirname(package.origin), "data")
        super().__init__(
            path=path or "",
            category=category,
            split=split,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
        )
        self._include_uncertain = include_uncertain

    def check(self) -> None:
        """Check as every layout does, and first that the package is there.

        Raises:
            InputDatasetError: also where the package that brings the images is not installed.
        """
        if self._package_is_missing:
            raise InputDatasetError(
                "The ELPV images come with the package elpv-dataset, which is not installed: run "
                "`pip install -e '.[demo]'`, or set the dataset's `path`."
            )
        super().check()

    def _categories(self) -> list[str]:
        return sorted({category for _, _, category in self._rows()})

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
        """Sorted (path, probability) of the category's cells."""
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
