import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import History
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.defectmaker.synthesis import synthesize_defects
from reb_pipeline.features.backbones import BACKBONES, load_backbone
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning import adapt
from reb_pipeline.finetuning.adapt import finetune_backbone
from reb_pipeline.finetuning.settings import FinetuneBudget, SSLFinetuneSettings
from reb_pipeline.images.samples import Samples
from tiny_finetuning import Memory, exact, make_donors, stem_state, write_stem

SIDE = 32
KINDS = DefectSynthesisSettings(shapes=["rect", "bezier"], fills=["cut_paste"], per_kind=2)
NAMES = ["rect+cut_paste", "bezier+cut_paste"]
BUDGET = FinetuneBudget(
    updates=2, image_size=SIDE, images_per_pass=2, passes_per_update=2, learning_rate=0.01,
    backbone_learning_rate=0.01, freeze_updates=1, frozen_depth=0.0, freeze_batch_norm=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Exact, and no search for deeper layers than the file's."""
    monkeypatch.setitem(BACKBONES, "resnet18", replace(BACKBONES["resnet18"], deepest=("layer1",)))
    with exact():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_stem(tmp_path_factory.mktemp("weights") / "stem.pth")


class Noise:
    """Images of noise, by their paths."""

    category = "part"

    def __init__(self, images):
        self.images = images

    def open_image(self, path):
        return self.images[path]


def samples_of(train=4, held_out=3, seed=0):
    """Good images to train on and, in the split for calibration, to validate on."""
    splits = ["train"] * train + ["calibration"] * held_out
    names = [f"{split}-{index}" for index, split in enumerate(splits)]
    table = pd.DataFrame({"id": names, "path": names, "split": splits, "label": 0})
    donors = make_donors(train, SIDE, seed) + make_donors(held_out, SIDE, seed=1)
    return Samples(table, Noise(dict(zip(names, [d.image for d in donors], strict=True))))


def saliency_of(samples):
    return SaliencyMaps(np.ones((len(samples), 128, 128), bool), samples.ids, "whole_image", [])


SAMPLES = samples_of()


def run(weights, checkpoint=None, samples=SAMPLES, saliency=None, defects=KINDS, **settings):
    saliency = saliency or saliency_of(samples)
    made = settings.pop("made", None)
    if made is None:  # of another size than the training's images
        made = synthesize_defects(samples, saliency, 48, KINDS)
    budget = BUDGET.model_copy(update=settings.pop("budget", {}))
    return finetune_backbone(
        samples,
        saliency,
        made,
        FeatureSettings(backbone="resnet18", weights=weights, image_size=SIDE, layers=["layer1"]),
        defects,
        SSLFinetuneSettings(demo=budget, **settings),
        checkpoint or Memory(),
    )


def test_a_backbone_is_kept_as_it_is(weights):
    kept, history = run(weights, enabled=False)
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
    assert config["image_size"] == SIDE
    # The order too tells a checkpoint from others.
    assert json.dumps(config["settings"]) == (
        '{"updates": 2, "images_per_pass": 2, "passes_per_update": 2, "learning_rate": 0.01, '
        '"backbone_learning_rate": 0.01, "freeze_updates": 1, "loss": "cross_entropy", "momentum": 0.9, '
        '"weight_decay": 3e-05, "frozen_depth": 0.0, "freeze_batch_norm": false, "seed": 0}'
    )


def test_the_same_again_is_the_same_and_another_seed_is_not(weights):
    one, history = run(weights)
    other, same_history = run(weights)
    assert one.fingerprint == other.fingerprint
    assert history == same_history
    assert run(weights, seed=1)[0].fingerprint != one.fingerprint


def other_images(_path):
    return {"samples": samples_of(seed=7)}


def other_saliency(_path):
    saliency = saliency_of(SAMPLES)
    saliency.maps[:, :64] = False
    return {"saliency": saliency}


def other_weights(path):
    write_stem(path, stem_state(seed=1))
    return {}


def other_held_out_defects(_path):
    others = synthesize_defects(SAMPLES, saliency_of(SAMPLES), 48, KINDS, Purpose.SELECTION)
    return {"made": others}


def other_settings(_path):
    return {"budget": {"learning_rate": 0.02}}


@pytest.mark.parametrize(
    "change",
    [other_images, other_saliency, other_weights, other_settings, other_held_out_defects],
)
def test_a_checkpoint_is_only_used_for_the_same_data_weights_and_settings(tmp_path, caplog, change):
    path, checkpoint = tmp_path / "stem.pth", Memory()
    write_stem(path)
    run(str(path), checkpoint)
    with caplog.at_level(logging.INFO):
        run(str(path), checkpoint, **change(path))
    assert "starting anew" in caplog.text
    assert checkpoint.writes == 2


def test_a_validation_on_what_was_learnt_is_said(weights, caplog):
    samples = samples_of(train=1, held_out=0)
    run(weights, samples=samples)
    assert "part has one good image: the fine-tuning is validated on what it has" in caplog.text
    caplog.clear()
    run(weights)
    assert "validated" not in caplog.text


def test_defects_of_other_kinds_are_refused(weights):
    other = KINDS.model_copy(update={"shapes": ["rect", "bezier", "perlin"]})
    with pytest.raises(
        InputError, match=r"are of the kinds \['rect.*run the pipeline defect_synth"
    ):
        run(weights, defects=other)


def test_defects_that_are_draws_of_the_training_are_refused(weights):
    made = synthesize_defects(SAMPLES, saliency_of(SAMPLES), 48, KINDS, Purpose.TRAINING)
    with pytest.raises(InputError, match=r"draws that the fine-tuning trains on.*again"):
        run(weights, made=made)


def test_defects_by_other_maps_or_of_other_images_are_refused(weights):
    made = synthesize_defects(SAMPLES, saliency_of(SAMPLES), 48, KINDS)
    with pytest.raises(InputError, match="synthetic defects were made with other saliency maps"):
        run(weights, made=made, **other_saliency(None))
    fewer = samples_of(held_out=1)
    hashes = [f"hash of {image_id}" for image_id in made.image_ids]
    with pytest.raises(InputError, match=r"were made on other images .*'calibration-\d' is not am"):
        run(weights, made=replace(made, image_hashes=hashes), samples=fewer)


def test_what_a_backbone_has_learnt_from_is_stored(weights):
    adapted, _ = run(weights)
    assert adapted.config["image_ids"] == [f"train-{n}" for n in range(4)]
    assert adapted.config["image_hashes"] == [""] * 4  # images in memory


@pytest.mark.parametrize(("held_out", "good"), [(3, 2), (1, 1)])
def test_validation_is_as_balanced_as_can_be(weights, monkeypatch, held_out, good):
    seen = []

    def spy(network, task, validation, *_args, **_names):
        seen.append(validation)
        return History()

    monkeypatch.setattr(adapt, "finetune", spy)
    samples = samples_of(held_out=held_out)
    run(weights, samples=samples)
    (validation,) = seen
    assert validation.labels.tolist() == [0] * good + [1, 2] * 2
    assert validation.images.shape == (good + 4, SIDE, SIDE, 3)
    ((_, first), *_) = samples.held_out_good.stream()
    np.testing.assert_array_equal(validation.images[0], first)
