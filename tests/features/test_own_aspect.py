"""Sizes by one side: found once from the good photos, so that all that follows sees height and width."""

from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import MemoryDataset

import odd_images as odd
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import SIDES, shape_of, with_side
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.own_aspect import in_own_aspect
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.project import kept_aspects
from reb_pipeline.project.budget import Budget, _possible

WEIGHTS = BackboneWeights({}, {"backbone": "efficientnet_lite0", "weights": "imagenet"})


def photos(*shapes):
    """A category of good photos of some shapes; None cannot be read."""
    memory, samples = fsspec.filesystem("memory"), []
    for number, shape in enumerate(shapes):
        data = odd.pillow(np.zeros(shape, np.uint8), "PNG") if shape else b"no image"
        memory.pipe(f"/aspect/{number}.png", data)
        samples.append(Sample(f"{number}", f"{number}.png", "train", 0, "good"))
    memory.pipe("/aspect/test.png", odd.pillow(np.zeros((9, 9), np.uint8), "PNG"))
    samples.append(Sample("test", "test.png", "test", 0, "good"))
    return ImageCollection(memory, "/aspect", "web", samples, [], {})


@pytest.fixture(autouse=True)
def stride(monkeypatch):
    """The stride of the network, which is measured by building it."""
    monkeypatch.setattr("reb_pipeline.features.own_aspect._step", lambda settings: 16)


@given(
    st.integers(20, 9000), st.integers(20, 9000), st.integers(32, 4096), st.sampled_from([*SIDES]),
    st.sampled_from([8, 14, 16, 32]),
)  # fmt: skip
def test_the_side_has_its_length_and_the_aspect_is_kept_but_for_rounding(
    height, width, length, kept, step
):
    found = shape_of(with_side((height, width), length, kept, step))
    assert all(side % step == 0 and side >= 32 for side in found)
    exact = np.array([height, width]) * length / SIDES[kept](height, width)
    is_rounded = np.abs(np.array(found) - exact) <= step / 2
    is_least = np.array(found) == step * -(-32 // step)
    assert (is_rounded | (is_least & (exact < 32 + step))).all()
    assert shape_of(with_side((width, height), length, kept, step)) == found[::-1]


@pytest.mark.parametrize(
    ("kept", "shapes", "size"),
    [
        ("longest", [(50, 125)], [208, 512]),
        ("shortest", [(50, 125)], [512, 1280]),
        ("longest", [(125, 50), (250, 100)], [512, 208]),
        ("longest", [(100, 100), (101, 100)], 512),  # an aspect within a hundredth
        ("longest", [None, (50, 125)], [208, 512]),
    ],
)
def test_height_and_width_come_from_good_training_photos(kept, shapes, size):
    settings = FeatureSettings(image_size=512, keep_aspect=kept)
    found = in_own_aspect(settings, photos(*shapes))
    assert found == FeatureSettings(image_size=size)
    assert found.provenance(WEIGHTS) == FeatureSettings(image_size=size).provenance(WEIGHTS)
    assert in_own_aspect(found, photos((1, 1))) is found


@pytest.mark.parametrize(
    ("shapes", "kept", "sentence"),
    [
        ([(50, 125), (50, 100)], "longest", "needs good photos of one aspect, .* of 125 x 50 and of 100 x 50 pixels"),
        ([None], "longest", "needs a good training photo, and none can be read"),
        ([(10, 900)], "shortest", "features.image_size cannot be used: .* from 32 to 16384 pixels"),
    ],
)  # fmt: skip
def test_photos_without_one_size_are_refused(shapes, kept, sentence):
    settings = FeatureSettings(image_size=512, keep_aspect=kept)
    with pytest.raises(InputError, match=sentence):
        in_own_aspect(settings, photos(*shapes))


def test_a_setting_that_was_not_found_yet_makes_no_features():
    settings = FeatureSettings(image_size=64, keep_aspect="longest")
    with pytest.raises(InputError, match=r"give features.image_size = \[height, width\]"):
        PatchExtractor(settings)
    with pytest.raises(ValueError, match="which keep an aspect by themselves"):
        FeatureSettings(image_size=[64, 96], keep_aspect="longest")
    with pytest.raises(ValueError, match="'longest' or 'shortest'"):
        FeatureSettings(image_size=64, keep_aspect="widest")


def test_all_parameters_of_a_run_have_height_and_width(caplog):
    own = FeatureSettings(image_size=512, keep_aspect="longest")
    other = FeatureSettings(image_size=512)
    sections = {
        "web": {"features": own, "seed": 1},
        "nut": {"features": other},
        "compute": {"device": "cpu"},
    }
    catalog = {
        "params:web.features": MemoryDataset(own.model_dump()),
        "params:nut.features": MemoryDataset(other),
        "parameters": MemoryDataset(sections),
        "web.raw_images": MemoryDataset(photos((50, 125)), copy_mode="assign"),
    }
    nodes = [SimpleNamespace(namespace=name) for name in ("web.memory_bank", "nut.studies", None)]
    with caplog.at_level("INFO"):
        kept_aspects.keep_aspects(SimpleNamespace(nodes=nodes), catalog, [])
    found = FeatureSettings(image_size=[208, 512])
    assert catalog["params:web.features"].load() == found
    assert catalog["params:nut.features"].load() == other
    assert catalog["parameters"].load() == {**sections, "web": {"features": found, "seed": 1}}
    assert "web: image_size = [208, 512], 512 pixels along the longest side" in caplog.text
    unavailable = {"params:web.features": MemoryDataset(own)}
    kept_aspects.keep_aspects(SimpleNamespace(nodes=nodes), unavailable, ["web.raw_images"])


def test_a_budget_of_squares_refuses_a_side():
    given = {"features": {"image_size": 256, "keep_aspect": "longest"}}
    with pytest.raises(InputError, match=r"cannot be used with features.keep_aspect = 'longest'"):
        _possible(given, Budget(None, 20.0))
