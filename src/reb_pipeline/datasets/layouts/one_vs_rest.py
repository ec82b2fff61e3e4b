"""Base class of data sets with ten classes of small images, one of them good."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from itertools import chain, product
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np

from reb_pipeline.calibration.photos import check_calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.datasets.layouts.packed_files import N_CLASSES, Packed
from reb_pipeline.datasets.layouts.seeded_split import (
    DEFAULT_RATE,
    n_calibration,
    rate_of,
)
from reb_pipeline.images.collection import Sample
from reb_pipeline.images.packed import PackedImages


class OneVsRestBase(ImageFolderBase):
    """Layout of ten classes, one of them good and nine anomalous; each data set is a subclass.

    Training images are the images of the good class in the official training set. Test images are the official test
    set: images of the good class are good, all others anomalous, with their class as defect type. There are no masks.

    A subclass sets the class variables below and implements `_read`.

    Args:
        path: Folder of the files, or torchvision's download folder.
        category: The good class.
        calibration: Good training images that are used for calibration: a share of them, a number, or `auto`, see
            :class:`reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.
        false_alarm_rate: The rate that `auto` follows; or a rate for each category.
        max_train: Largest number of good training images, including those for calibration; None for all.
        max_test: Largest number of test images, the same number of each class and the same images for every category;
        None for all.
        seed: Seed of the random selections.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.

    Raises:
        InputError: If the share or a number of images is invalid.
    """

    _classes: ClassVar[tuple[str, ...]]  # names of the classes, in the order of their labels
    _places: ClassVar[tuple[str, ...]]  # folders below the data root that may hold the files
    _names: ClassVar[dict[str, tuple[str, ...]]]  # names of the files of each official set
    _suffixes: ClassVar[tuple[str, ...]]  # possible suffixes of all names
    _remedy: ClassVar[str]  # end of the error message for missing files

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        category: str,
        calibration: float | str = 0.1,
        false_alarm_rate: float | dict[str, float] = DEFAULT_RATE,
        max_train: int | None = None,
        max_test: int | None = None,
        seed: int = 0,
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
        check_calibration(calibration)
        self._rate = rate_of(category, false_alarm_rate)
        for name, number, least in (
            ("max_train", max_train, 1),
            ("max_test", max_test, N_CLASSES),
        ):
            if number is not None and number < least:
                raise InputError(
                    f"{name}={number} is not possible: it must be at least {least}, an image of each class that is "
                    "drawn from, or null for all."
                )
        self._calibration, self._seed = calibration, seed
        self._max_train, self._max_test = max_train, max_test

    def load(self) -> PackedImages:
        """List the samples of the category with their pixels; no image is decoded.

        Raises:
            InputDatasetError: See :meth:`check`.
        """
        samples = super().load().samples
        images = {official: self._packed(official)[0] for official in self._names}
        pixels = {}
        for sample in samples:
            official, index = sample.path.split("/")
            pixels[sample.path] = images[official][int(index)]
        return PackedImages(self._fs, self._root, self._category, samples, pixels)

    def check(self) -> None:
        """Check that all files exist, and the checks of every layout.

        Raises:
            InputDatasetError: Also if a file is missing or broken.
        """
        if not self._paths():
            raise InputDatasetError(f"Data root '{self._shown}' does not hold {self._remedy}")
        super().check()

    def _good_images(self) -> list[str]:
        return self._drawn("train", self._category, self._max_train)

    def _list_samples(self) -> list[Sample]:
        good = self._good_images()
        held_out = n_calibration(self._calibration, len(good), 0, self._rate, math.floor)
        samples = [
            self._good(path, "calibration" if rank < held_out else "train")
            for rank, path in enumerate(good)
        ]
        share = None if self._max_test is None else self._max_test // N_CLASSES
        for name in self._classes:
            for path in self._drawn("test", name, share):
                is_good = name == self._category
                samples.append(self._good(path, "test") if is_good else self._defective(path, name))
        return sorted(samples, key=lambda sample: (sample.split == "test", sample.path))

    def _drawn(self, official: str, name: str, at_most: int | None) -> list[str]:
        """Select paths of images of one class of an official set, in random order.

        A smaller selection is the beginning of a larger one.
        """
        label = self._classes.index(name)
        indices = np.flatnonzero(self._packed(official)[1] == label)
        order = np.random.default_rng([self._seed, label]).permutation(indices)
        return [f"{official}/{index:05}" for index in order[:at_most]]

    def _categories(self) -> list[str]:
        return list(self._classes) if self._paths() else []

    def _packed(self, official: str) -> Packed:
        """Read the images and labels of an official set."""
        paths = self._paths()[official]
        return self._read(paths, tuple(map(self._fs.ukey, paths)))

    @abstractmethod
    def _read(self, paths: tuple[str, ...], keys: tuple[str, ...]) -> Packed:
        """Read images and labels from files; `keys` identify their content in the caches."""

    def _paths(self) -> dict[str, tuple[str, ...]]:
        """Find the files of each official set; empty if one is missing."""
        for place, suffix in product(self._places, self._suffixes):
            folder = PurePosixPath(self._root, place)
            paths = {
                official: tuple(str(folder / f"{name}{suffix}") for name in names)
                for official, names in self._names.items()
            }
            if all(map(self._fs.isfile, chain(*paths.values()))):
                return paths
        return {}

    def _describe(self) -> dict[str, Any]:
        draw = ("calibration", "rate", "max_train", "max_test", "seed")
        return {**super()._describe(), **{name: getattr(self, f"_{name}") for name in draw}}
