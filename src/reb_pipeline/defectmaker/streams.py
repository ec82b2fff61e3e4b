"""Random streams of synthetic defects: one for each purpose, so that no draw serves two."""

from __future__ import annotations

import zlib
from enum import StrEnum

import numpy as np


class Purpose(StrEnum):
    """Use of synthetic defects."""

    TRAINING = "training"  # fine-tuning learns from them
    VALIDATION = "validation"  # stored; they show the progress of a fine-tuning
    SELECTION = "selection"  # settings are chosen by them
    FIGURES = "figures"
    LOGICAL = "logical"  # composed images and logical defects
    DETECTION = "detection"  # the probability of detection is measured by them


# Key of each stream. The training's is empty: these are the draws of numpy's `default_rng([seed, index, kind])`.
_SPAWN_KEYS: dict[Purpose, tuple[int, ...]] = {
    Purpose.TRAINING: (),
    Purpose.VALIDATION: (1,),
    Purpose.SELECTION: (2,),
    Purpose.FIGURES: (3,),
    Purpose.LOGICAL: (4,),
    Purpose.DETECTION: (5,),
}


def random_stream(purpose: Purpose, seed: int, index: int, kind: str) -> np.random.Generator:
    """Create the random generator of one defect.

    Args:
        purpose: Use of the defect; the same seed, index and kind draw another defect for another purpose.
        seed: Seed of the whole set of defects, not negative.
        index: Number of the defect, not negative.
        kind: Name of its kind.
    """
    entropy = [int(seed), int(index), zlib.crc32(kind.encode())]
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=_SPAWN_KEYS[purpose]))
