"""Split of good images by seed, for layouts without one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.layouts.seeded_split import split_good
from reb_pipeline.images.collection import SPLITS


@given(
    ids=st.lists(st.text(max_size=5), unique=True, max_size=40),
    train=st.floats(0.01, 0.98),
    share_of_rest=st.floats(0, 0.9),
    seed=st.integers(0, 2**32),
)
def test_split_good(ids: list[str], train: float, share_of_rest: float, seed: int) -> None:
    calibration = (1 - train) * share_of_rest
    splits = split_good(ids, train, calibration, seed)
    assert list(splits) == sorted(ids)
    assert split_good(reversed(ids), train, calibration, seed) == splits
    counts = {split: list(splits.values()).count(split) for split in SPLITS}
    assert sum(counts.values()) == len(ids)
    if len(ids) >= 2:
        assert counts["train"] >= 1
        assert counts["test"] >= 1
    if len(ids) >= 1:
        assert abs(counts["train"] - train * len(ids)) <= 1
        assert counts["calibration"] <= calibration * len(ids) + 0.5


def test_seed_changes_the_split() -> None:
    ids = [f"{index:03}" for index in range(50)]
    assert split_good(ids, 0.6, 0.1, 0) != split_good(ids, 0.6, 0.1, 1)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"train": 0.9, "calibration": 0.1}, "train=0.9, calibration=0.1 is not possible"),
        ({"train": 0}, "train=0, calibration=0.1 is not possible"),
        ({"calibration": -0.1}, "calibration=-0.1 is not possible"),
        ({"training": 0.5}, r"unknown keys \['training'\]"),
    ],
)
def test_impossible_split(split: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        datasets.PlainFolderDataset(path="data", category="bolt", split=split)
