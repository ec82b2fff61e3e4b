"""Seeded split of good images, for data that come without one."""

from collections.abc import Iterable

import numpy as np

from reb_pipeline.core.errors import InputError


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
