"""What is particular to one layout, and the seeded split of those that bring none."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets.layouts.splits import split_good
from reb_pipeline.images.collection import SPLITS, UnreadableImageError

SHARED_TILES = Path(__file__).parents[4] / "shared/data/magnetic_tile"


def test_loco_regions_have_their_saturation(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_loco(tmp_path)
    collection = datasets.MVTecLOCODataset(path=root, category="pushpins").load()
    assert collection.has_regions
    masks = collection.samples[-1].mask_paths
    regions = collection.open_regions(masks)
    assert [region[1:] for region in regions] == [(1.0, True), (30.0, False)]
    united = regions[0][0] | regions[1][0]
    assert np.array_equal(united, collection.open_mask(masks))
    assert regions[0][0].any()
    assert not (regions[0][0] & regions[1][0]).any()

    miniatures.write_mask(root / masks[0], regions[0][0], value=17)
    with pytest.raises(UnreadableImageError, match=r"grey value 17, which is none of \[254, 255\]"):
        collection.open_regions(masks)


def test_loco_configuration_that_is_none(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_loco(tmp_path)
    (root / "pushpins/defects_config.json").write_text('[{"pixel_value": 255}]')
    with pytest.raises(InputError, match="is no list of defects"):
        datasets.MVTecLOCODataset(path=root, category="pushpins").load()


def test_visa_without_its_table(tmp_path: Path) -> None:
    root = miniatures.make_visa(tmp_path)
    dataset = datasets.VisADataset(path=root, category="candle")
    (root / "split_csv/1cls.csv").write_text("object,image\ncandle,a.JPG\n")
    with pytest.raises(InputError, match=r"lacks the columns \['label', 'mask', 'split'\]"):
        dataset.load()
    (root / "split_csv/1cls.csv").unlink()
    with pytest.raises(InputError, match=r"1cls.csv' does not exist"):
        dataset.load()


def test_elpv_uncertain_cells_are_only_tested_on(tmp_path: Path) -> None:
    root = miniatures.make_elpv(tmp_path)
    dataset = datasets.ELPVDataset(path=root, category="poly", include_uncertain=True)
    table = dataset.load().table.set_index("defect_type")
    assert table.loc["probability_0.33", ["split", "label"]].tolist() == ["test", 0]
    assert table.loc["probability_0.67", ["split", "label"]].tolist() == ["test", 1]


def test_elpv_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reb_pipeline.datasets.layouts.split_folders.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[demo\]'"):
        datasets.ELPVDataset(category="mono").load()


@pytest.mark.parametrize(
    ("category", "good", "defective"), [("mono", 588, 313), ("poly", 920, 402)]
)
def test_elpv_from_the_installed_package(category: str, good: int, defective: int) -> None:
    pytest.importorskip("elpv_dataset")
    labels = datasets.ELPVDataset(category=category).load().table["label"]
    assert labels.value_counts().to_dict() == {0: good, 1: defective}


@pytest.mark.shared
@pytest.mark.skipif(not SHARED_TILES.is_dir(), reason="needs the shared magnetic tiles")
def test_all_magnetic_tiles() -> None:
    dataset = datasets.MagneticTileDataset(path=SHARED_TILES, category="magnetic_tile")
    table = dataset.load().table
    assert table["label"].value_counts().to_dict() == {0: 952, 1: 392}
    assert (table["mask_paths"].map(len) == table["label"]).all()


# Seeded split


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
