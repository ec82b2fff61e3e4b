"""Base class of layouts without a split: good images are assigned by seed."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.images.collection import Sample

_DEFAULT_SPLIT = {"train": 0.6, "calibration": 0.1, "seed": 0, "group_by": None}


class SplitFolderBase(ImageFolderBase):
    """Layout without a split: good images are assigned by seed, all other images are for test.

    A subclass implements `_good_images` and `_other_samples`.

    Args:
        path: Data root, the folder that holds the categories.
        category: Name of the category.
        split: Shares `train` and `calibration` of the good images (the rest is for test), and the `seed` of the random
            order; the defaults are 0.6, 0.1 and 0. Several shots of one part: a regular expression `group_by`, whose
            only group tells the parts apart in the ids of the images (paths without extension below the category);
            see :func:`split_groups`.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.
        bit_depth: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.
        value_range: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.

    Raises:
        InputError: If the split has an unknown key, invalid shares or a `group_by` that cannot be used.
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
        group_by = self._split.pop("group_by")
        self._group_of = None if group_by is None else _PartNames(group_by)
        check_shares(self._split["train"], self._split["calibration"])

    def _list_samples(self) -> list[Sample]:
        good, others = self._good_images(), self._other_samples()
        ids = [self._id(path) for path in good]
        if self._group_of is None:
            splits = split_good(ids, **self._split)
        else:
            parts = {sample_id: self._group_of(sample_id) for sample_id in ids}
            tested = {self._group_of(sample.id) for sample in others}
            splits = split_groups(parts, tested, **self._split)
        return [self._good(path, splits[self._id(path)]) for path in good] + others

    @abstractmethod
    def _other_samples(self) -> list[Sample]:
        """List the samples that are always for test."""

    def _describe(self) -> dict[str, Any]:
        group_by = None if self._group_of is None else self._group_of.pattern.pattern
        return {**super()._describe(), "split": {**self._split, "group_by": group_by}}


class _PartNames:
    """Name of the part that an image shows, from the id of the image.

    Args:
        group_by: Regular expression with one group.

    Raises:
        InputError: If it is no such expression, or on a call finds no part in an id.
    """

    def __init__(self, group_by: Any) -> None:
        try:
            self.pattern = re.compile(group_by)
            reason = f"it has {self.pattern.groups} groups" if self.pattern.groups != 1 else ""
        except (re.error, TypeError) as error:
            reason = str(error)
        if reason:
            raise InputError(
                f"split.group_by = {group_by!r} cannot be used ({reason}): give a regular expression with one group "
                "for the name of the part, such as '(.*)_[0-9]+$'."
            )

    def __call__(self, image_id: str) -> str:
        found = self.pattern.search(image_id)
        if found is None or found[1] is None:
            raise InputDatasetError(
                f"split.group_by = {self.pattern.pattern!r} finds no part in the image {image_id!r}: correct the "
                "expression, so that every image belongs to a part."
            )
        return found[1]


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


def split_groups(
    parts: Mapping[str, str], tested: Collection[str], train: float, calibration: float, seed: int
) -> dict[str, str]:
    """Assign a split to each good image, the same to all images of one part.

    Args:
        parts: Part that each good image shows, by id.
        tested: Parts whose images are all for test, because another image of them is.
        train: Share of the other parts for training, see :func:`split_good`.
        calibration: Share of the other parts for calibration.
        seed: Seed of the random order of the parts.

    Returns:
        "train", "calibration" or "test" for each id.

    Raises:
        InputError: If no part is left to learn from; see also :func:`check_shares`.

    Example:
        >>> from reb_pipeline.datasets.layouts.seeded_split import split_groups
        >>> parts = {"good/1_left": "1", "good/1_right": "1", "good/2_left": "2", "good/2_right": "2"}
        >>> split_groups(parts, tested={"1"}, train=0.6, calibration=0.1, seed=0)
        {'good/1_left': 'test', 'good/1_right': 'test', 'good/2_left': 'train', 'good/2_right': 'train'}
    """
    free = set(parts.values()) - set(tested)
    if parts and not free:
        raise InputError(
            "Every part of a good image has an image for test too, by split.group_by: correct the expression, or add "
            "parts that have only good images."
        )
    splits = split_good(free, train, calibration, seed)
    return {image_id: splits.get(part, "test") for image_id, part in parts.items()}


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
