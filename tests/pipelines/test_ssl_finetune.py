"""From good images to each category's backbone, and what uses it."""

import json
import shutil

import numpy as np
import pytest
import torch
import torchvision

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core import resumable_training as training
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import Checkpoint, WeightsDataset
from reb_pipeline.features.backbones import load_backbone
from tiny_finetuning import exact

FINETUNE = ["ingestion", "defect_synthesis", "ssl_finetune"]
BUDGET = {
    "updates": 3, "image_size": 64, "images_per_pass": 2, "passes_per_update": 2, "learning_rate": 0.001,
    "backbone_learning_rate": 0.001, "freeze_updates": 1, "frozen_depth": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _exact():
    with exact():
        yield


def backbone_of(out, category):
    path = newest(out / "06_models" / category, "backbone.safetensors")
    record = "reb_pipeline.features.adapted.BackboneWeights"
    return WeightsDataset(record=record, filepath=str(path)).load()


def extractor_of(out, category):
    with np.load(newest(out / "06_models" / category, "memory_bank.npz")) as bank:
        return json.loads(bank["metadata"].item())["extractor"]


def test_one_category_is_finetuned_and_one_is_not(run_project, tmp_path):
    root = miniatures.make_elpv(tmp_path / "images")
    params = {
        "data_root": str(root),
        **SMALL,
        "features": {**SMALL["features"], "per_category": {"poly": {"image_size": [64, 96]}}},
        "ssl_finetune": {"demo": BUDGET, "per_category": {"mono": {"enabled": False}}},
    }

    out = run_project("base", params, pipeline_names=[*FINETUNE, "memory_bank"])

    imagenet = load_backbone("efficientnet_lite0", image_size=64).network.state_dict()
    mono, poly = backbone_of(out, "mono"), backbone_of(out, "poly")
    assert mono.state.keys() == imagenet.keys()
    assert all(torch.equal(tensor, imagenet[name]) for name, tensor in mono.state.items())
    assert mono.config["finetuned"] is False
    history = read_json(out / "06_models/mono", "finetuning_history.json")
    assert history == {"classes": [], "updates": [], "validations": []}
    assert not (out / "05_model_input/mono/finetuning_checkpoint.pt").exists()

    assert poly.config["finetuned"] is True
    assert poly.config["settings"]["updates"] == 3
    assert poly.config["image_size"] == [
        48,
        80,
    ]  # as many pixels as 64 x 64, in the aspect of the features
    assert poly.state.keys() > imagenet.keys()  # the head sat on a deeper layer
    assert not torch.equal(poly.state["conv_stem.weight"], imagenet["conv_stem.weight"])
    history = read_json(out / "06_models/poly", "finetuning_history.json")
    assert [update["update"] for update in history["updates"]] == [1, 2, 3]
    assert history["classes"][:2] == ["good", "bezier+cut_paste"]
    assert (out / "05_model_input/poly/finetuning_checkpoint.pt").exists()

    for category, backbone in (("mono", mono), ("poly", poly)):
        assert extractor_of(out, category)["weights"] == backbone.fingerprint
        for figure in ("defect_gallery.png", "training_curve.json"):
            assert newest(out / "08_reporting" / category, figure).stat().st_size > 1000
        with np.load(newest(out / "05_model_input" / category, "synthetic_defects.npz")) as defects:
            assert defects["labels"].tolist() == [1, 2, 3, 4, 5, 6]
            assert defects["masks"].any(axis=(1, 2)).all()
        with np.load(newest(out / "04_feature" / category, "saliency.npz")) as saliency:
            assert saliency["maps"].shape == (9, 128, 128)  # eight to train on, one held out


def test_what_does_not_fit_the_backbone_is_refused(run_project, tmp_path):
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    params = {"data_root": str(root), **SMALL}
    off = {**params, "ssl_finetune": {"enabled": False}}
    out = run_project("folder", off, pipeline_names=[*FINETUNE, "memory_bank"])
    first = backbone_of(out, "part")

    own = newest(out / "06_models/part", "backbone.safetensors")
    foreign = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), foreign)
    for features, sentence in (
        ({"weights": str(own)}, f"made from weights = 'imagenet', not '{own}': run the pipeline"),
        (
            {"backbone": "resnet18", "weights": str(foreign)},
            "made from backbone = 'efficientnet_lite0', not 'resnet18': run the pipeline ssl_fine",
        ),
    ):
        changed = {**params, "features": {**SMALL["features"], **features}}
        with pytest.raises(InputError, match=sentence):
            run_project("folder", changed, pipeline_names=["memory_bank"])

    run_project("folder", params, pipeline_names=["ssl_finetune"])
    assert backbone_of(out, "part").fingerprint != first.fingerprint
    assert extractor_of(out, "part")["weights"] == first.fingerprint
    with pytest.raises(
        InputError, match=rf"with weights = '{first.fingerprint}', not .*run the pipeline memory_ba"
    ):
        run_project(
            "folder",
            params,
            pipeline_names=["evaluation"],
            to_nodes=["part.evaluation.search_memory_bank"],
        )


def test_an_interrupted_finetuning_ends_with_the_same_bytes(run_project, tmp_path, monkeypatch):
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    params = {
        "data_root": str(root),
        **SMALL,
        "ssl_finetune": {"enabled": True, "budget": "demo", "demo": BUDGET},
    }
    out = run_project("folder", params, pipeline_names=FINETUNE[:2])
    other = tmp_path / "other"
    shutil.copytree(out, other)
    run_project("folder", params, pipeline_names=["ssl_finetune"])

    write, writes = Checkpoint.write, []

    def write_and_stop(checkpoint, state):
        write(checkpoint, state)
        writes.append(len(state["history"]["updates"]))
        if len(writes) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(Checkpoint, "write", write_and_stop)
    params = {**params, "output_root": str(other)}
    with pytest.raises(KeyboardInterrupt):
        run_project("folder", params, pipeline_names=["ssl_finetune"])
    assert not (other / "06_models").exists()
    run_project("folder", params, pipeline_names=["ssl_finetune"])

    assert writes == [1, 2, 3]
    for name in ("backbone.safetensors", "finetuning_history.json"):
        one, same = (newest(root / "06_models/part", name) for root in (out, other))
        assert one.read_bytes() == same.read_bytes()
