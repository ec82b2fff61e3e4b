"""Base of the layouts without a split: good images are drawn by seed."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.layouts.base import ImageFolderBase
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


def check_shares(train: float, calibration: float) -> None:
    """Check the shares of the good images.

    Args:
        train: share to learn from, above 0.
        calibration: share to calibrate with, 0 or more.

    Raises:
        InputError: a share is out of range, or nothing is left to test with.
    """
    if not (0 < train < 1 and 0 <= calibration < 1 and train + calibration < 1):
        raise InputError(
            f"The split train={train}, calibration={calibration} is not possible: train must be "
            "above 0, calibration 0 or more, and their sum below 1, because the rest is for test."
        )


def split_good(ids: Iterable[str], train: float, calibration: float, seed: int) -> dict[str, str]:
    """Share good images out; depends on the set of ids and the seed alone.

    Args:
        ids: ids of the good images, in any order.
        train: share to learn from; with two images or more at least one goes here and one to test.
        calibration: share to calibrate with; the rest goes to test.
        seed: of the random order.

    Returns:
        "train", "calibration" or "test" of each id, in the order of the sorted ids.

    Raises:
        InputError: see :func:`check_shares`.
    """
    check_shares(train, calibration)
    ordered = sorted(ids)
    count = len(ordered)
    train_count = max(1, min(round(train * count), count - 1))
    calibration_count = max(0, min(round(calibration * count), count - train_count - 1))
    # The rank of an image in a random order decides.
    ranks = np.random.default_rng(seed).permutation(count)
    return {
        sample_id: "train"
        if rank < train_count
        else "calibration"
        if rank < train_count + calibration_count
        else "test"
        for sample_id, rank in zip(ordered, ranks, strict=True)
    }
