import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import History
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.features.backbones import BACKBONES, load_backbone
from reb_pipeline.finetuning import adapt
from reb_pipeline.finetuning.adapt import adapt_backbone, keep_backbone
from tiny_finetuning import (
    KINDS,
    Memory,
    exact,
    make_donors,
    make_settings,
    stem_state,
    write_stem,
)

NAMES = [kind.name for kind in KINDS]
SIDE = 32


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Exact, and no search for deeper layers than the file's."""
    monkeypatch.setitem(BACKBONES, "resnet18", replace(BACKBONES["resnet18"], deepest=("layer1",)))
    with exact():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_stem(tmp_path_factory.mktemp("weights") / "stem.pth")


def good_images(count, seed):
    donors = make_donors(count, SIDE, seed)
    ids = [f"{seed}-{index}" for index in range(count)]
    maps = SaliencyMaps(np.ones((count, 128, 128), bool), ids, "whole_image", [])
    return GoodImages(ids, ids, dict(zip(ids, [d.image for d in donors], strict=True)).get, maps)


def synthetic_defects(source, per_kind, side):
    """Of another size than the training's images."""
    maker = DefectMaker(source)
    donor = make_donors(1, side)[0]
    made = (
        (source.image_ids[0], 1 + label, maker.make(donor.image, donor.saliency, kind, 0, index))
        for index in range(per_kind)
        for label, kind in enumerate(KINDS)
    )
    return SyntheticDefects.collect(made, NAMES)


TRAIN, HELD_OUT = good_images(4, seed=0), good_images(3, seed=1)
DEFECTS = synthetic_defects(HELD_OUT, per_kind=2, side=48)


def run(weights, checkpoint=None, **changes):
    settings = make_settings(updates=2, freeze_updates=1, **changes.pop("settings", {}))
    given = {
        "backbone": "resnet18", "weights": weights, "train": TRAIN, "held_out": HELD_OUT,
        "synthetic_defects": DEFECTS, "kinds": KINDS, "textures": None, "side": SIDE,
    }  # fmt: skip
    return adapt_backbone(
        **{**given, **changes}, settings=settings, checkpoint=checkpoint or Memory()
    )


def test_a_backbone_is_kept_as_it_is(weights):
    kept, history = keep_backbone("resnet18", weights, ["layer1"], SIDE)
    expected = torch.load(weights)
    assert kept.state.keys() == expected.keys()
    assert all(torch.equal(kept.state[name], expected[name]) for name in expected)
    assert kept.config == {"backbone": "resnet18", "weights": weights, "finetuned": False}
    assert history == {"classes": [], "updates": [], "validations": []}


def test_a_backbone_is_adapted(weights):
    adapted, history = run(weights)
    start = torch.load(weights)
    assert adapted.state.keys() == start.keys()  # the head stays behind
    assert not torch.equal(adapted.state["conv1.weight"], start["conv1.weight"])
    again = load_backbone("resnet18", image_size=64, layers=["layer1"], weights=adapted.state)
    assert all(torch.equal(t, adapted.state[n]) for n, t in again.network.state_dict().items())
    assert history["classes"] == ["good", *NAMES]
    assert [update["update"] for update in history["updates"]] == [1, 2]
    assert [len(v["class_accuracy"]) for v in history["validations"]] == [3]
    assert json.loads(json.dumps(history)) == history
    config = adapted.config
    assert json.loads(json.dumps(config)) == config
    assert (config["finetuned"], config["weights"], config["kinds"]) == (True, weights, NAMES)
    assert (config["image_size"], config["settings"]["learning_rate"]) == (SIDE, 0.01)


def test_the_same_again_is_the_same_and_another_seed_is_not(weights):
    one, history = run(weights)
    other, same_history = run(weights)
    assert one.fingerprint == other.fingerprint
    assert history == same_history
    assert run(weights, settings={"seed": 1})[0].fingerprint != one.fingerprint


def other_images(_path):
    return {"train": good_images(4, seed=7)}


def other_saliency(_path):
    images = good_images(4, seed=0)
    images._saliency.maps[:, :64] = False
    return {"train": images}


def other_weights(path):
    write_stem(path, stem_state(seed=1))
    return {}


def other_settings(_path):
    return {"settings": {"learning_rate": 0.02}}


@pytest.mark.parametrize("change", [other_images, other_saliency, other_weights, other_settings])
def test_a_checkpoint_is_only_used_for_the_same_data_weights_and_settings(tmp_path, caplog, change):
    path, checkpoint = tmp_path / "stem.pth", Memory()
    write_stem(path)
    run(str(path), checkpoint)
    with caplog.at_level(logging.INFO):
        run(str(path), checkpoint, **change(path))
    assert "starting anew" in caplog.text
    assert checkpoint.writes == 2


def test_defects_of_other_kinds_are_refused(weights):
    kinds = [*KINDS, DefectKind("perlin", "noise")]
    with pytest.raises(
        InputError, match=r"are of the kinds \['rect.*run the pipeline defect_synth"
    ):
        run(weights, kinds=kinds)


@pytest.mark.parametrize(("held_out", "good"), [(3, 2), (1, 1)])
def test_validation_is_as_balanced_as_can_be(weights, monkeypatch, held_out, good):
    seen = []

    def spy(network, task, validation, *_args, **_names):
        seen.append(validation)
        return History()

    monkeypatch.setattr(adapt, "finetune", spy)
    images = good_images(held_out, seed=1)
    run(weights, held_out=images)
    (validation,) = seen
    assert validation.labels.tolist() == [0] * good + [1, 2] * 2
    assert validation.images.shape == (good + 4, SIDE, SIDE, 3)
    np.testing.assert_array_equal(validation.images[0], images[0].image)
