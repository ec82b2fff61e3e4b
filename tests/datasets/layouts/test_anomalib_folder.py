"""Folders as anomalib's data module Folder takes them."""

import pytest

import miniatures
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import AnomalibFolderDataset


def load(folder, **dirs):
    return AnomalibFolderDataset(path=folder.parent, category=folder.name, **dirs).load()


@pytest.fixture
def part(tmp_path):
    folder = tmp_path / "part"
    miniatures.write_good(folder / "ok", 10)
    for kind in ("bent", "scratch"):
        miniatures.write_good(folder / "bad" / kind, 2, seed=50)
        miniatures.write_good(folder / "truth" / kind, 2, seed=50)
    return folder


def masks(images):
    return {sample.id: sample.mask_paths for sample in images.samples if sample.label}


def test_good_images_are_enough(part):
    images = load(part, normal_dir="ok")
    assert {sample.defect_type for sample in images.samples} == {"good"}
    assert {sample.split for sample in images.samples} == {"train", "calibration", "test"}
    assert len(images.not_read["outside_layout"]) == 8


def test_several_folders_and_their_masks(part):
    images = load(
        part,
        normal_dir=["ok"],
        abnormal_dir=["bad/bent", "bad/scratch"],
        mask_dir=["truth/bent", "truth/scratch"],
    )
    expected = {
        f"bad/{kind}/{number}": (f"part/truth/{kind}/{number}.png",)
        for kind in ("bent", "scratch")
        for number in ("000", "001")
    }
    assert masks(images) == expected
    assert {sample.defect_type for sample in images.samples if sample.label} == {"bent", "scratch"}


@pytest.mark.parametrize("several", [True, False])
def test_no_image_gets_the_mask_of_another_where_one_is_missing(part, several):
    (part / "truth/bent/000.png").unlink()
    both = {
        "abnormal_dir": ["bad/bent", "bad/scratch"] if several else "bad",
        "mask_dir": ["truth/bent", "truth/scratch"] if several else "truth",
    }
    found = masks(load(part, normal_dir="ok", **both))
    assert found == {
        "bad/bent/000": (),
        "bad/bent/001": ("part/truth/bent/001.png",),
        "bad/scratch/000": ("part/truth/scratch/000.png",),
        "bad/scratch/001": ("part/truth/scratch/001.png",),
    }


def test_a_missing_folder_is_named(part):
    for dirs in ({"mask_dir": "masks"}, {"abnormal_dir": "worse"}, {"normal_test_dir": "test"}):
        (name,) = dirs.values()
        with pytest.raises(
            InputError, match=rf"Folder 'part/{name}' is not in data root .*correct"
        ):
            load(part, normal_dir="ok", **dirs)
