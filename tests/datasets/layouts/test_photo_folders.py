"""Folders of photos as people have them: what is good, what is not, and what nobody can know."""

import pytest

import miniatures
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import PlainFolderDataset


def counts(folder, **options):
    dataset = PlainFolderDataset(path=folder, category="part", folder=".", **options)
    images = dataset.load()
    found = {}
    for sample in images.samples:
        key = (sample.split, sample.defect_type)
        found[key] = found.get(key, 0) + 1
    return found, images


SPLIT = {"test": 0.2, "calibration": 2, "seed": 0}


def test_a_flat_folder_is_all_good(tmp_path):
    miniatures.write_good(tmp_path, 10)
    found, images = counts(tmp_path, split=SPLIT)
    assert found == {("train", "good"): 6, ("calibration", "good"): 2, ("test", "good"): 2}
    assert images.samples[0].id == "000"


@pytest.mark.parametrize("good", ["good", "Good", "OK", "normal"])
def test_good_beside_bad(tmp_path, good):
    miniatures.write_good(tmp_path / good, 10)
    miniatures.write_good(tmp_path / "bad", 3, seed=50)
    found, _ = counts(tmp_path, split=SPLIT)
    assert found[("test", "bad")] == 3
    assert found[("train", "good")] == 6


def test_train_and_test_keep_their_own_test(tmp_path):
    folder = miniatures.make_mvtec_ad(tmp_path) / "screw"
    found, images = counts(folder, split={"test": 0.3, "calibration": 2, "seed": 0})
    assert found == {
        ("train", "good"): 6,
        ("calibration", "good"): 2,
        ("test", "good"): 3,
        ("test", "dark_spot"): 2,
        ("test", "bright_spot"): 1,
    }
    assert sum(bool(sample.mask_paths) for sample in images.samples) == 3
    assert not images.stray_masks


def test_without_good_photos_in_test_some_of_train_are_for_it(tmp_path):
    miniatures.write_good(tmp_path / "train/ok", 10)
    miniatures.write_good(tmp_path / "test/scratch", 2, seed=50)
    found, _ = counts(tmp_path, split=SPLIT)
    assert found[("test", "good")] == 2
    assert found[("test", "scratch")] == 2


@pytest.mark.parametrize("masks", ["masks", "ground_truth", "Masks"])
def test_masks_beside_the_photos(tmp_path, masks):
    miniatures.make_plain_folder(tmp_path, category="part")
    (tmp_path / "part/masks").rename(tmp_path / "part" / masks)
    _, images = counts(tmp_path / "part", split=SPLIT)
    assert sum(bool(sample.mask_paths) for sample in images.samples) == 2


def test_a_folder_with_another_name_than_its_category(tmp_path):
    miniatures.write_good(tmp_path / "new photos, all/good", 10)
    dataset = PlainFolderDataset(path=tmp_path, category="part", folder="new photos, all")
    assert len(dataset.load().samples) == 10
    assert dataset.exists()


def test_nothing_is_good_by_guessing(tmp_path):
    miniatures.write_good(tmp_path / "monday", 3)
    miniatures.write_good(tmp_path / "tuesday", 3, seed=9)
    dataset = PlainFolderDataset(path=tmp_path, category="part", folder=".")
    with pytest.raises(InputError, match="no good training images"):
        dataset.load()
    miniatures.write_good(tmp_path, 3, seed=20)  # beside folders of photos
    assert dataset.layout_of(".") is None
    assert dataset.folders_of(".") == {"monday": 3, "tuesday": 3}


def test_two_folders_of_good_photos_are_refused(tmp_path):
    for name in ("good", "normal"):
        miniatures.write_good(tmp_path / name, 3)
    with pytest.raises(InputError, match="have a name for good photos: keep one"):
        counts(tmp_path)
