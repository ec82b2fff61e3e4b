import json

import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import ArraysDataset
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.maker import REB_KINDS, DefectMaker
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects

RNG = np.random.default_rng(0)


def rectangle(height, width, rows, columns):
    """Salient between two shares of the height and two of the width."""
    salient = np.zeros((height, width), bool)
    top, bottom = (round(share * height) for share in rows)
    left, right = (round(share * width) for share in columns)
    salient[top:bottom, left:right] = True
    return salient


@pytest.mark.parametrize("size", [(128, 128), (512, 256), (64, 320), (33, 57)])
def test_maps_of_any_size_keep_their_place(size):
    shares = (0.25, 0.5), (0.5, 0.875)
    maps = SaliencyMaps.collect([("a", rectangle(*size, *shares))], "grabcut")
    assert (maps.maps.shape, maps.maps.dtype) == ((1, 128, 128), bool)
    for side in (32, 128, 256):
        found, expected = maps.at("a", side), rectangle(side, side, *shares)
        assert (found.shape, found.dtype) == ((side, side), bool)
        assert (found != expected).mean() < 0.02


def test_maps_come_by_id_and_empty_ones_are_the_whole_image():
    upper = rectangle(128, 128, (0, 0.5), (0, 1))
    nothing = np.zeros((200, 100), bool)
    maps = SaliencyMaps.collect(iter([("b", upper), ("a", nothing), ("c", ~upper)]), "folder")
    assert (maps.image_ids, maps.method, maps.fallbacks) == (["b", "a", "c"], "folder", ["a"])
    np.testing.assert_array_equal(maps.at("b", 128), upper)
    np.testing.assert_array_equal(maps.at("c", 128), ~upper)
    assert maps.at("a", 64).all()


@pytest.mark.parametrize("size", [(128, 128), (1000, 700)])
def test_tiny_parts_do_not_vanish(size):
    """A single pixel stays where it is, and something stays salient at every size."""
    tiny = np.zeros(size, bool)
    tiny[size[0] // 4, size[1] // 2] = True
    maps = SaliencyMaps.collect([("a", tiny)], "folder")
    assert maps.fallbacks == []
    for side in (32, 64, 128, 256, 300):
        rows, columns = np.nonzero(maps.at("a", side))
        assert 0 < len(rows) < 0.01 * side**2
        assert abs(rows.mean() / side - 0.25) < 0.03
        assert abs(columns.mean() / side - 0.5) < 0.03


def test_an_image_without_a_map_says_what_to_do():
    maps = SaliencyMaps.collect([("a", np.ones((8, 8), bool))], "whole_image")
    with pytest.raises(InputError, match="'b' has no saliency map: run the pipeline defect_synth"):
        maps.at("b", 64)


def make_defects(count):
    donor = Donor(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.ones((64, 64), bool))
    maker = DefectMaker([donor])
    return [maker.make(donor.image, donor.saliency, REB_KINDS[i % 2], 0, i) for i in range(count)]


def test_defects_are_collected_in_order():
    defects = make_defects(4)
    made = [(f"image {i // 2}", 1 + i % 2, defect) for i, defect in enumerate(defects)]
    kinds = [kind.name for kind in REB_KINDS[:2]]
    found = SyntheticDefects.collect(iter(made), iter(kinds))
    np.testing.assert_array_equal(found.images, [defect.image for defect in defects])
    np.testing.assert_array_equal(found.masks, [defect.mask for defect in defects])
    assert (found.images.dtype, found.masks.dtype) == (np.uint8, bool)
    assert (found.labels.tolist(), found.labels.dtype) == ([1, 2, 1, 2], np.int64)
    assert found.kinds == kinds
    assert found.purpose == "training"  # the stream of a plain DefectMaker
    assert found.image_ids == ["image 0", "image 0", "image 1", "image 1"]
    assert [recipe["index"] for recipe in found.recipes] == [0, 1, 2, 3]


def test_both_records_are_stored_and_read_back(tmp_path):
    home = "reb_pipeline.defectmaker.records"
    maps = SaliencyMaps.collect([("a", np.eye(50, dtype=bool))], "folder")
    dataset = ArraysDataset(filepath=str(tmp_path / "maps.npz"), record=f"{home}.SaliencyMaps")
    dataset.save(maps)
    read = dataset.load()
    np.testing.assert_array_equal(read.at("a", 64), maps.at("a", 64))
    assert (read.method, read.fallbacks) == ("folder", [])

    made = [("a", 1, defect) for defect in make_defects(2)]
    defects = SyntheticDefects.collect(made, ["bezier+cut_paste"])
    name = str(tmp_path / "defects.npz")
    dataset = ArraysDataset(filepath=name, record=f"{home}.SyntheticDefects")
    dataset.save(defects)
    read = dataset.load()
    for name in ("images", "masks", "labels"):
        np.testing.assert_array_equal(getattr(read, name), getattr(defects, name))
    assert read.recipes == json.loads(json.dumps(defects.recipes))
    assert (read.kinds, read.image_ids) == (defects.kinds, defects.image_ids)


def test_defects_of_the_first_format_are_draws_of_the_training(tmp_path):
    made = [("a", 1, defect) for defect in make_defects(2)]
    defects = SyntheticDefects.collect(made, ["bezier+cut_paste"], "validation")
    file = tmp_path / "defects.npz"
    home = "reb_pipeline.defectmaker.records"
    dataset = ArraysDataset(filepath=str(file), record=f"{home}.SyntheticDefects")
    dataset.save(defects)
    with np.load(file) as archive:
        arrays = dict(archive)
    values = json.loads(arrays.pop("metadata").item())
    del values["purpose"]
    values["format"] = 1
    np.savez(file, metadata=np.array(json.dumps(values)), **arrays)
    assert dataset.load().purpose == "training"
