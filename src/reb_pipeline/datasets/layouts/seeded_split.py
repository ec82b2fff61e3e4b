"""Base class of layouts without a split: good images are assigned by seed."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.images.collection import Sample

_DEFAULT_SPLIT = {"train": 0.6, "calibration": 0.1, "seed": 0}


class SplitFolderBase(ImageFolderBase):
    """Layout without a split: good images are assigned by seed, all other images are for test.

    A subclass implements `_good_images` and `_other_samples`.

    Args:
        path: Data root, the folder that holds the categories.
        category: Name of the category.
        split: Shares `train` and `calibration` of the good images (the rest is for test), and the `seed` of the random
            order; the defaults are 0.6, 0.1 and 0.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.
        bit_depth: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.
        value_range: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.

    Raises:
        InputError: If the split has an unknown key or invalid shares.
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
        bit_depth: int | None = None,
        value_range: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            path=path,
            category=category,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
            bit_depth=bit_depth,
            value_range=value_range,
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
        """List the samples that are always for test."""

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "split": self._split}


def check_shares(train: float, calibration: float) -> None:
    """Check the shares of the good images.

    Args:
        train: Share for training, above 0.
        calibration: Share for calibration, 0 or more.

    Raises:
        InputError: If a share is out of range, or no images are left for test.
    """
    if not (0 < train < 1 and 0 <= calibration < 1 and train + calibration < 1):
        raise InputError(
            f"The split train={train}, calibration={calibration} is not possible: train must be "
            "above 0, calibration 0 or more, and their sum below 1, because the rest is for test."
        )


def split_good(ids: Iterable[str], train: float, calibration: float, seed: int) -> dict[str, str]:
    """Assign a split to each good image; the result depends only on the set of ids and the seed.

    Args:
        ids: Ids of the good images, in any order.
        train: Share for training; with at least two images, at least one is for training and one for test.
        calibration: Share for calibration; the rest is for test.
        seed: Seed of the random order.

    Returns:
        "train", "calibration" or "test" for each id, in the order of the sorted ids.

    Raises:
        InputError: See :func:`check_shares`.

    Example:
        >>> from reb_pipeline.datasets.layouts.seeded_split import split_good
        >>> splits = split_good([f"good/{i}" for i in range(10)], train=0.6, calibration=0.1, seed=0)
        >>> sorted(splits.values())
        ['calibration', 'test', 'test', 'test', 'train', 'train', 'train', 'train', 'train', 'train']
    """
    check_shares(train, calibration)
    ordered = sorted(ids)
    count = len(ordered)
    train_count = max(1, min(round(train * count), count - 1))
    calibration_count = max(0, min(round(calibration * count), count - train_count - 1))
    # The rank of an image in a random order determines its split.
    ranks = np.random.default_rng(seed).permutation(count)
    return {
        sample_id: "train"
        if rank < train_count
        else "calibration"
        if rank < train_count + calibration_count
        else "test"
        for sample_id, rank in zip(ordered, ranks, strict=True)
    }
