"""Base class of layouts without a split: good images are assigned by seed."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reb_pipeline.calibration.parts import check_group_by, count_views, parts_of
from reb_pipeline.calibration.photos import (
    AUTO,
    TEST_SHARE,
    calibration_images,
    check_calibration,
)
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.images.collection import Sample

DEFAULT_RATE = 0.05
_DEFAULT_SPLIT = {"train": 0.6, "calibration": 0.1, "seed": 0}
_KEYS = ("test", *_DEFAULT_SPLIT, "group_by")


class SplitFolderBase(ImageFolderBase):
    """Layout without a split: good images are assigned by seed, all other images are for test.

    A subclass implements `_good_images` and `_other_samples`.

    Args:
        path: Data root, the folder that holds the categories.
        category: Name of the category.
        split: Shares of the good images. `calibration` is a share of them (below 1), a number of images, or
            `auto`: as many as `false_alarm_rate` needs, see :func:`reb_pipeline.calibration.photos.calibration_images`.
            Either `test` is the share for test (0: none) and the rest is learnt from, or `train` is the share to learn
            from and the rest is for test. `seed` is that of the random order. The defaults are `train` 0.6,
            `calibration` 0.1 and `seed` 0. Several views of one part: a regular expression `group_by`, whose
            only group tells the parts apart in the ids of the images (paths without extension below the category);
            see :func:`split_groups`. All numbers and shares are those of parts then, and each good part has the same
            number of views.
        false_alarm_rate: The rate that `auto` follows; or a rate for each category.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.
        bit_depth: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.
        value_range: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.
        channels: See :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.

    Raises:
        InputError: If the split has an unknown key, invalid shares or a `group_by` that cannot be used.
    """

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        category: str,
        split: dict[str, Any] | None = None,
        false_alarm_rate: float | dict[str, float] = DEFAULT_RATE,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        bit_depth: int | None = None,
        value_range: Sequence[float] | None = None,
        channels: int | Sequence[int] | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            path=path,
            category=category,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
            bit_depth=bit_depth,
            value_range=value_range,
            channels=channels,
        )
        split = dict(split or {})
        self._group_by = split.pop("group_by", None)
        if self._group_by is not None:
            check_group_by(self._group_by)
        self._split = checked_split(split)
        self._rate = rate_of(category, false_alarm_rate)

    def _list_samples(self) -> list[Sample]:
        good, others = self._good_images(), self._other_samples()
        ids = [self._id(path) for path in good]
        split = self._split
        given = self._given_splits()
        if "test" in given:
            split = {name: split[name] for name in ("calibration", "seed")} | {"test": 0}
        if "calibration" in given:
            split = {**split, "calibration": 0}
        parts = self._parts([*ids, *(sample.id for sample in others)])
        if not parts:
            splits = split_good(ids, **split, rate=self._rate)
        else:
            tested = {parts[sample.id] for sample in others}
            of_good = {image_id: parts[image_id] for image_id in ids}
            splits = split_groups(of_good, tested, **split, rate=self._rate)
        samples = [self._good(path, splits[self._id(path)]) for path in good] + others
        return self._grouped(samples, parts) if parts else samples

    def _parts(self, ids: Iterable[str]) -> dict[str, str]:
        """Find the part of each image; nothing where images are parts."""
        if self._group_by is None:
            return {}
        try:
            return parts_of(self._group_by, ids)
        except InputError as error:
            raise InputDatasetError(str(error)) from error

    def _grouped(self, samples: list[Sample], parts: Mapping[str, str]) -> list[Sample]:
        """Give each sample its part, after a check that all views of a part have one split.

        Raises:
            InputDatasetError: If they have not, all good images show one part, or good parts differ in their number
                of views.
        """
        split_of: dict[str, str] = {}
        for sample in samples:
            part = parts[sample.id]
            if split_of.setdefault(part, sample.split) != sample.split:
                raise InputDatasetError(
                    f"By split.group_by = '{self._group_by}' the part {part!r} of {self._category} is both for "
                    f"{split_of[part]} and for {sample.split}: give all of its images one split."
                )
        defective = {parts[sample.id] for sample in samples if sample.label}
        good = {one.id: parts[one.id] for one in samples if parts[one.id] not in defective}
        if len(good) > 1 and len(set(good.values())) == 1:
            raise InputDatasetError(
                f"split.group_by = '{self._group_by}' finds one part, {next(iter(good.values()))!r}, in all "
                f"{len(good)} good images of {self._category}: correct the expression, so that each part has a name of "
                "its own."
            )
        try:
            if good:
                count_views(str(self._group_by), good, self._category)
        except InputError as error:
            raise InputDatasetError(str(error)) from error
        return [replace(sample, part=parts[sample.id]) for sample in samples]

    @abstractmethod
    def _other_samples(self) -> list[Sample]:
        """List the samples that have their split: the defective ones, and good ones that are given one."""

    def _given_splits(self) -> set[str]:
        """Return the splits that good images among the other samples are for, so that none is taken for them."""
        return set()

    def _describe(self) -> dict[str, Any]:
        return {
            **super()._describe(),
            "split": {**self._split, "group_by": self._group_by},
            "false_alarm_rate": self._rate,
        }


def rate_of(category: str, false_alarm_rate: float | dict[str, float]) -> float:
    """Return the false-alarm rate of a category; for one that is not named, the default."""
    if isinstance(false_alarm_rate, dict):
        return false_alarm_rate.get(str(category), DEFAULT_RATE)
    return false_alarm_rate


def checked_split(split: dict[str, Any]) -> dict[str, Any]:
    """Check a split and add what it leaves out.

    Raises:
        InputError: If a key is unknown, a share is out of range, or `test` and `train` are given together.
    """
    unknown = sorted(split.keys() - set(_KEYS))
    if unknown:
        raise InputError(f"The split has the unknown keys {unknown}: it takes {', '.join(_KEYS)}.")
    if "test" not in split:
        split = {**_DEFAULT_SPLIT, **split}
    elif "train" in split:
        raise InputError(
            f"The split gives test={split['test']} and train={split['train']}: give one of them, because the other is "
            "what is left."
        )
    else:
        split = {"calibration": AUTO, "seed": 0, **split}
    check_calibration(split["calibration"])
    if type(split["seed"]) is not int or split["seed"] < 0:
        raise InputError(
            f"The split seed={split['seed']} is not possible: give a whole number of at least 0."
        )
    _check_shares(split)
    return split


def _check_shares(split: dict[str, Any]) -> None:
    """Check that the shares leave images for every purpose; a number of images is checked when they are counted."""
    given, left = ("test", "is learnt from") if "test" in split else ("train", "is for test")
    share, calibration = split[given], split["calibration"]
    of_calibration = calibration if calibration != AUTO and calibration < 1 else 0
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    is_enough = is_number and (share > 0 or (share == 0 and given == "test"))
    if not (is_enough and share + of_calibration < 1):
        lowest = "above 0" if given == "train" else "0 or more"
        raise InputError(
            f"The split {given}={share}, calibration={calibration} is not possible: {given} must be {lowest}, "
            f"calibration 0 or more, and their sum below 1, because the rest {left}."
        )
    if given == "train" and calibration == AUTO:
        raise InputError(
            f"The split train={share}, calibration=auto is not possible, because auto decides how many are learnt "
            f"from: give test={TEST_SHARE}, say, in the place of train."
        )


def split_groups(
    parts: Mapping[str, str], tested: Collection[str], *shares: Any, **split: Any
) -> dict[str, str]:
    """Assign a split to each good image, the same to all images of one part.

    Args:
        parts: Part that each good image shows, by id.
        tested: Parts whose images are all for test, because another image of them is.
        shares: Shares of the other parts, arguments of :func:`split_good`.
        split: More arguments of it.

    Returns:
        "train", "calibration" or "test" for each id.

    Raises:
        InputDatasetError: If no part is left to learn from; see also :func:`checked_split`.

    Example:
        >>> from reb_pipeline.datasets.layouts.seeded_split import split_groups
        >>> parts = {"good/1_left": "1", "good/1_right": "1", "good/2_left": "2", "good/2_right": "2"}
        >>> split_groups(parts, tested={"1"}, train=0.6, calibration=0.1, seed=0)
        {'good/1_left': 'test', 'good/1_right': 'test', 'good/2_left': 'train', 'good/2_right': 'train'}
    """
    free = set(parts.values()) - set(tested)
    if parts and not free:
        raise InputDatasetError(
            "Every part of a good image has an image for test too, by split.group_by: correct the expression, or add "
            "parts that have only good images."
        )
    splits = split_good(free, *shares, **split)
    return {image_id: splits.get(part, "test") for image_id, part in parts.items()}


def n_calibration(
    calibration: float | str,
    n_good: int,
    n_taken: int,
    rate: float,
    to_integer: Callable[[float], int] = round,
) -> int:
    """Compute the number of calibration images.

    Args:
        calibration: A share of the good images, a number of them, or `auto`.
        n_good: Number of good images.
        n_taken: Number of these that are given away before; one more is kept for what is left.
        rate: The false-alarm rate that `auto` follows.
        to_integer: Makes a share of the images a whole number.

    Raises:
        InputDatasetError: If a number of images leaves nothing.
    """
    left = n_good - n_taken
    if isinstance(calibration, str):
        return calibration_images(n_good, n_taken, rate)
    if calibration < 1:
        return max(0, min(to_integer(calibration * n_good), left - 1))
    if calibration >= left:
        raise InputDatasetError(
            f"split.calibration={calibration} takes all images that are left: of {n_good} good ones {n_taken} are "
            f"given away before, so give a number below {left}."
        )
    return int(calibration)


def split_good(
    ids: Iterable[str],
    train: float | None = None,
    calibration: float | str = AUTO,
    seed: int = 0,
    *,
    test: float | None = None,
    rate: float = DEFAULT_RATE,
) -> dict[str, str]:
    """Assign a split to each good image; the result depends only on the set of ids and the arguments.

    Another number of calibration images leaves the test images as they are if their share is given.

    Args:
        ids: Ids of the good images, in any order.
        train: Share for training, the rest is for test; None if `test` is given. With at least two images, at least
            one is for training and one for test.
        calibration: Share for calibration, number of images, or `auto`.
        seed: Seed of the random order.
        test: Share for test, the rest is for training.
        rate: The false-alarm rate that `auto` follows.

    Returns:
        "train", "calibration" or "test" for each id, in the order of the sorted ids.

    Raises:
        InputError: See :func:`checked_split`; also if the calibration images leave none to learn from.

    Example:
        >>> from reb_pipeline.datasets.layouts.seeded_split import split_good
        >>> splits = split_good([f"good/{i}" for i in range(10)], train=0.6, calibration=0.1, seed=0)
        >>> sorted(splits.values())
        ['calibration', 'test', 'test', 'test', 'train', 'train', 'train', 'train', 'train', 'train']
    """
    given = {"train": train} if test is None else {"test": test}
    checked_split({**given, "calibration": calibration, "seed": seed})
    ordered = sorted(ids)
    n_good = len(ordered)
    if test is None:
        assert train is not None
        n_train = max(1, min(round(train * n_good), n_good - 1))
        n_held_out = n_calibration(calibration, n_good, n_train, rate)
    else:
        n_test = max(1, min(round(test * n_good), n_good - 1)) if test else 0
        n_held_out = n_calibration(calibration, n_good, n_test, rate)
        n_train = n_good - n_test - n_held_out
    # The rank of an image in a random order determines its split.
    ranks = np.random.default_rng(seed).permutation(n_good)
    return {
        sample_id: "train"
        if rank < n_train
        else "calibration"
        if rank < n_train + n_held_out
        else "test"
        for sample_id, rank in zip(ordered, ranks, strict=True)
    }
