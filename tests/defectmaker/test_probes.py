from itertools import islice

import numpy as np
import pandas as pd
import pytest

from reb_pipeline.defectmaker.probes import FINER, draw_probes
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.defectmaker.settings import (
    DefectSynthesisSettings,
    DetectionProbabilitySettings,
)
from reb_pipeline.defectmaker.sizes import longest_extent
from reb_pipeline.images.region import Region
from reb_pipeline.images.samples import Samples

IDS = ["a", "b", "c"]
PHOTO = (300, 480)
KINDS = DefectSynthesisSettings(shapes=["bezier_scar", "rect"], fills=["noise"])
SETTINGS = DetectionProbabilitySettings(draws=20, shortest=0.05, longest=0.3, contrasts=[15, 40])
LEFT = Region.of_polygons([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])


class Photos:
    category = "part"

    def open_image(self, path):
        return np.random.default_rng(IDS.index(path)).integers(90, 110, (*PHOTO, 3), np.uint8)


PARTS = Samples(pd.DataFrame({"id": IDS, "path": IDS}), Photos())
SALIENCY = SaliencyMaps(np.ones((3, 128, 128), bool), IDS, "whole_image", [])


def drawn(size=128, region=None, settings=SETTINGS, count=24):
    """The first probes; all of them with None."""
    return list(islice(draw_probes(PARTS, SALIENCY, KINDS, settings, size, region), count))


def test_each_kind_and_contrast_is_drawn_as_often_as_asked_on_parts_in_turn():
    probes = drawn(count=None)
    table = pd.DataFrame({name: getattr(one, name) for name in ("image_id", "kind", "contrast")}
                         for one in probes)  # fmt: skip
    assert table.groupby(["kind", "contrast"]).size().tolist() == [20] * 4
    assert table.groupby("image_id").size().to_dict() == {"a": 28, "b": 28, "c": 24}
    again, other = drawn(), drawn(settings=SETTINGS.model_copy(update={"seed": 1}))
    assert all((one.image == two.image).all() for one, two in zip(again, probes, strict=False))
    assert any((one.image != two.image).any() for one, two in zip(again, other, strict=True))


@pytest.mark.parametrize("size", [128, [64, 160]])
def test_lengths_are_pixels_of_the_photo_also_where_it_is_shrunk(size, monkeypatch):
    whole = drawn(size)
    assert whole[0].image.shape == (*PHOTO, 3)  # at most FINER times as many pixels along a side
    for probe in whole:
        changed = (probe.image != Photos().open_image(probe.image_id)).any(axis=2)
        assert longest_extent(changed) <= probe.length
        assert 0 < changed.sum() <= probe.area
    monkeypatch.setattr("reb_pipeline.defectmaker.probes.FINER", 1)
    shrunk = drawn(size)
    assert np.prod(shrunk[0].image.shape[:2]) < np.prod(PHOTO) < (FINER * 128) ** 2
    for one, other in zip(whole, shrunk, strict=True):
        assert other.length == pytest.approx(one.length, rel=0.35, abs=8)


def test_defects_stay_in_the_region():
    for probe in drawn(region=LEFT):
        changed = (probe.image != Photos().open_image(probe.image_id)).any(axis=2)
        assert changed.any()
        assert not changed[:, PHOTO[1] // 2 :].any()
