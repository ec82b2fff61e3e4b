"""Images composed of good photos, with logical and structural defects."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.logical import LOGICAL_KINDS
from reb_pipeline.defectmaker.logical_set import compose_logical_set
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings, LogicalSetSettings
from reb_pipeline.images.samples import Samples

SETTINGS = LogicalSetSettings(side=96, train=4, good=3, per_kind=2)
SYNTHESIS = DefectSynthesisSettings()


class Plates:
    """Photos of one grey, by their path."""

    category = "part"

    def open_image(self, path):
        return np.full((40, 60, 3), int(path), np.uint8)


def photos(n, *, split="train"):
    names = [str(150 + number) for number in range(n)]
    table = pd.DataFrame({"id": names, "path": names, "split": split, "label": 0})
    return Samples(table, Plates())


@pytest.fixture(scope="module")
def composed():
    return compose_logical_set(photos(20), SYNTHESIS, SETTINGS)


def test_every_kind_has_its_number_of_images(composed):
    rows = pd.DataFrame({"split": composed.splits, "kind": composed.kinds})
    expected = {("train", "good"): 4, ("test", "good"): 3, ("test", "structural"): 2}
    expected |= {("test", kind): 2 for kind in LOGICAL_KINDS}
    assert rows.value_counts().to_dict() == expected
    assert composed.images.shape == (17, 96, 96, 3)
    has_mask = composed.masks.any(axis=(1, 2))
    np.testing.assert_array_equal(has_mask, rows["kind"] != "good")


def test_photos_to_learn_from_are_in_no_test_image(composed):
    train, test = (set(composed.photos[split]) for split in ("train", "test"))
    assert not train & test
    assert train | test == {str(150 + n) for n in range(20)}


def test_good_images_have_large_and_small_parts_by_turns(composed):
    bright = composed.images[0, :, :, 0] > 120
    areas = [bright[y : y + 32, x : x + 32].sum() for y in (0, 32, 64) for x in (0, 32, 64)]
    large, small = areas[::2], areas[1::2]
    assert min(large) > 2 * max(small) > 0


def test_the_seed_freezes_the_set(composed):
    again = compose_logical_set(photos(20), SYNTHESIS, SETTINGS)
    for field in fields(composed):
        one, other = getattr(composed, field.name), getattr(again, field.name)
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
    other = compose_logical_set(photos(20), SYNTHESIS, SETTINGS.model_copy(update={"seed": 1}))
    assert not np.array_equal(other.images, composed.images)


def test_the_set_is_a_category_of_its_own(composed):
    images = composed.collection("part")
    table = images.table
    assert (table["label"] == (table["defect_type"] != "good")).all()
    np.testing.assert_array_equal(images.open_image(table["path"][5]), composed.images[5])


def test_shown_are_the_first_of_each_kind(composed):
    kinds = [kind for kind, _, _ in composed.shown()]
    assert kinds == [kind for kind in ("good", *LOGICAL_KINDS, "structural") for _ in range(2)]


def test_too_few_photos():
    with pytest.raises(InputError, match=r"part: 3 good photos are too few"):
        compose_logical_set(photos(3), SYNTHESIS, SETTINGS)
    with pytest.raises(InputError, match=r"part: 0 good photos are too few"):
        compose_logical_set(photos(9, split="test"), SYNTHESIS, SETTINGS)
