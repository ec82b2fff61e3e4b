"""Split of good images by seed, for layouts without one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.layouts.seeded_split import split_good, split_groups
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
        ({"seed": -1}, "seed=-1 is not possible"),
        ({"seed": 1.5}, "seed=1.5 is not possible"),
        ({"seed": "x"}, "seed=x is not possible"),
        ({"calibration": -0.1}, "calibration=-0.1 is not possible"),
        ({"training": 0.5}, r"unknown keys \['training'\]"),
        ({"group_by": "(part"}, r"group_by = '\(part' cannot be used \(missing \)"),
        ({"group_by": "part"}, r"group_by = 'part' cannot be used \(it has 0 groups\)"),
        ({"group_by": "(part)_(.*)"}, r"cannot be used \(it has 2 groups\): give .* one group"),
        ({"group_by": 3}, r"group_by = 3 cannot be used"),
    ],
)
def test_impossible_split(split: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        datasets.PlainFolderDataset(path="data", category="bolt", split=split)


@given(
    shots=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    tested=st.sets(st.integers(0, 19)),
    seed=st.integers(0, 2**32),
)
def test_shots_of_one_part_are_in_one_split(shots: list[int], tested: set[int], seed: int) -> None:
    parts = {
        f"{part}_{shot}": f"{part}" for part, count in enumerate(shots) for shot in range(count)
    }
    also_tested = set(map(str, tested))
    if set(parts.values()) <= also_tested:
        with pytest.raises(InputError, match="Every part of a good image"):
            split_groups(parts, also_tested, 0.6, 0.1, seed)
        return
    splits = split_groups(parts, also_tested, 0.6, 0.1, seed)
    assert splits.keys() == parts.keys()
    assert len({(parts[shot], split) for shot, split in splits.items()}) == len(shots)
    assert all(splits[shot] == "test" for shot, part in parts.items() if part in also_tested)
    assert "train" in splits.values()


def test_parts_of_one_shot_are_split_as_without_groups() -> None:
    ids = [f"good/{number:03}" for number in range(50)]
    groups = {image_id: image_id for image_id in ids}
    assert split_groups(groups, set(), 0.6, 0.1, 7) == split_good(ids, 0.6, 0.1, 7)


def shots(root: Path, *names: str) -> None:
    for name in names:
        (root / "bolt" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "bolt" / name).touch()


def test_group_by_keeps_the_shots_of_a_part_together(tmp_path: Path) -> None:
    shots(tmp_path, *(f"good/{part}_{side}.png" for part in range(10) for side in "abc"))
    shots(tmp_path, "bent/3_d.png", "bent/77_a.png")
    split = {"group_by": r"/(\d+)_\w$", "seed": 1}
    dataset = datasets.PlainFolderDataset(path=tmp_path, category="bolt", split=split)
    samples = dataset.load().samples
    by_part: dict[str, set[str]] = {}
    for sample in samples:
        by_part.setdefault(sample.id.split("/")[1].split("_")[0], set()).add(sample.split)
    assert all(len(splits) == 1 for splits in by_part.values())
    assert by_part["3"] == {"test"}  # a shot of it shows the defect
    assert sum(sample.split == "train" for sample in samples) == 15  # 5 of the 9 other parts
    assert r"(\\d+)_" in repr(dataset)
    shots(tmp_path, "good/no_part.png")
    with pytest.raises(InputError, match="finds no part in the image 'good/no_part'"):
        dataset.load()


@pytest.mark.parametrize(
    ("n", "rate", "calibration", "expected"),
    [
        (168, 0.02, "auto", (69, 49, 50)),
        (168, 0.05, "auto", (99, 19, 50)),
        (168, 0.01, "auto", (118, 0, 50)),
        (588, 0.05, "auto", (353, 59, 176)),
        (13, 0.05, "auto", (9, 0, 4)),
        (60, 0.05, 25, (17, 25, 18)),
        (60, 0.05, 0.2, (30, 12, 18)),
    ],
)
def test_calibration_follows_from_the_rate_and_the_test_stays(n, rate, calibration, expected):
    ids = [f"{index:03}" for index in range(n)]
    splits = split_good(ids, test=0.3, calibration=calibration, seed=0, rate=rate)
    assert tuple(list(splits.values()).count(name) for name in SPLITS) == expected
    of_default = split_good(ids, test=0.3, calibration=0.1, seed=0)
    assert {i for i in ids if splits[i] == "test"} == {i for i in ids if of_default[i] == "test"}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"test": 0.3, "train": 0.6}, "give one of them"),
        ({"train": 0.6, "calibration": "auto"}, "auto decides how many are learnt"),
        ({"test": 0.95, "calibration": 0.1}, "test=0.95, calibration=0.1 is not possible"),
        ({"test": 0.3, "calibration": "some"}, "calibration=some is not possible"),
        ({"test": 0.3, "calibration": True}, "calibration=True is not possible"),
    ],
)
def test_impossible_split_with_a_share_for_test(split, message):
    with pytest.raises(InputError, match=message):
        datasets.PlainFolderDataset(path="data", category="bolt", split=split)
