"""An entry of the cache is found again only where everything that decides it is the same."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import experiment_on, sections_of_screws
from PIL import Image

import miniatures
from plain_configuration import DEFAULTS, configuration
from reb_pipeline.core import content_cache
from reb_pipeline.core.content_cache import ALGORITHMS, LIBRARIES, entry
from reb_pipeline.datasets import MVTecADDataset, MVTecLOCODataset
from reb_pipeline.defectmaker import synthesis
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.finetuning import adapt
from reb_pipeline.studies.groups import HELD_OUT, TEST
from reb_pipeline.studies.measure import Evaluator
from reb_pipeline.studies.representations import defects_content

WEIGHTS, EMPTY_FIELD = "a file of weights", "a photo of the empty field"
# Another value of every setting, and the configuration that shows its effect.
FEATURES, LEVELS = {"detector": "nearest"}, {"detector": "feature_reconstruction"}
PIXELS, FINETUNED = {"detector": "autoencoder"}, {"representation": "defectmaker"}
CHANGES = {
    ("features", "weights"): (WEIGHTS, FEATURES),
    ("features", "layers"): (["blocks.1"], FEATURES),
    ("features", "width"): (16, FEATURES),
    ("features", "unit_length"): (True, FEATURES),
    ("features", "engine"): ("openvino", FEATURES),
    ("features", "tile_size"): (32, FEATURES),
    ("features", "tile_overlap"): (8, FEATURES),
    ("features", "light"): ("both", FEATURES),
    ("features", "empty_field"): (EMPTY_FIELD, FEATURES),
    ("features", "region"): ([[(0, 0), (1, 0), (0, 1)]], FEATURES),
    ("scoring", "top_patches"): (3, {"image_score": "top_k_mean"}),
    ("scoring", "top_share"): (0.5, {"image_score": "top_share_mean"}),
    ("scoring", "quantile"): (0.5, {"image_score": "quantile"}),
    ("scoring", "area_threshold"): (1.0, {"image_score": "max"}),
    ("scoring", "smoothing_sigma"): (2.0, FEATURES),
    ("scoring", "zones"): ({"left": [[(0, 0), (0.5, 0), (0.5, 1)]]}, FEATURES),
    ("feature_reconstruction", "layers"): (["blocks.1", "blocks.2"], LEVELS),
    ("feature_reconstruction", "updates"): (3, LEVELS),
    ("feature_reconstruction", "batch_size"): (2, LEVELS),
    ("feature_reconstruction", "learning_rate"): (0.5, LEVELS),
    ("pixel_reconstruction", "image_size"): (64, PIXELS),
    ("pixel_reconstruction", "updates"): (3, PIXELS),
    ("pixel_reconstruction", "batch_size"): (2, PIXELS),
    ("pixel_reconstruction", "learning_rate"): (0.5, PIXELS),
    ("ssl_finetune", "budget"): ("small", FINETUNED),
    ("ssl_finetune", "loss"): ("cross_entropy", FINETUNED),
    ("ssl_finetune", "momentum"): (0.5, FINETUNED),
    ("ssl_finetune", "weight_decay"): (0.5, FINETUNED),
    ("defect_synthesis", "saliency"): ("grabcut", FINETUNED),
    ("defect_synthesis", "saliency_source"): ("a folder", FINETUNED),
    ("defect_synthesis", "shapes"): (["rect"], FINETUNED),
    ("defect_synthesis", "fills"): (["noise"], FINETUNED),
    ("defect_synthesis", "texture_folder"): ("a folder", FINETUNED),
    ("defect_synthesis", "per_kind"): (7, FINETUNED),
    ("evaluation", "pro_fpr_limit"): (0.1, FEATURES),
    ("evaluation", "spro_fpr_limit"): (0.1, FEATURES),
    ("evaluation", "pixel_resolution"): ("image", FEATURES),
    ("compute", "memory_gib"): (1.0, {"coreset_ratio": 0.5}),
}
BUDGET_CHANGES = {
    "updates": 9, "image_size": 96, "images_per_pass": 5, "passes_per_update": 2, "learning_rate": 0.5,
    "backbone_learning_rate": 0.5, "freeze_updates": 0, "frozen_depth": 0.9, "freeze_batch_norm": False,
}  # fmt: skip
OF_THE_CONFIGURATION = "every configuration has its own"
WITHOUT_EFFECT = {
    ("ingestion", "max_unreadable_share"): "decides if anything is measured at all; images count by their content",
    ("ingestion", "leave_out"): "decides which images are learnt; images count by their content",
    ("ingestion", "pose"): "decides how images lie; images count by their content and the golden image",
    ("ingestion", "golden"): "as the pose",
    ("ingestion", "channels"): "decides the pixels; images count by their content and the channels that are picked",
    ("features", "backbone"): "every configuration has its own, another one its own weights and layers",
    ("features", "image_size"): OF_THE_CONFIGURATION,
    ("features", "keep_aspect"): "image_size has taken its place before a run",
    ("features", "neck"): OF_THE_CONFIGURATION,
    ("features", "batch_size"): "images of a batch do not see each other",
    ("memory_bank", "distance"): OF_THE_CONFIGURATION,
    ("memory_bank", "coreset_ratio"): OF_THE_CONFIGURATION,
    ("memory_bank", "light_copies"): OF_THE_CONFIGURATION,
    ("memory_bank", "turned_copies"): OF_THE_CONFIGURATION,
    ("memory_bank", "seed"): OF_THE_CONFIGURATION,
    ("scoring", "scorer"): OF_THE_CONFIGURATION,
    ("scoring", "n_neighbors"): OF_THE_CONFIGURATION,
    ("scoring", "alpha"): OF_THE_CONFIGURATION,
    ("scoring", "form"): OF_THE_CONFIGURATION,
    ("scoring", "image_score"): OF_THE_CONFIGURATION,
    ("scoring", "detector"): OF_THE_CONFIGURATION,
    ("scoring", "global_branch"): OF_THE_CONFIGURATION,
    ("scoring", "normalization"): OF_THE_CONFIGURATION,
    ("scoring", "anomaly_map"): OF_THE_CONFIGURATION,
    ("scoring", "max_neighbors"): "a study has its own K_max, and scores of K neighbours do not depend on it",
    ("feature_reconstruction", "loss"): OF_THE_CONFIGURATION,
    ("feature_reconstruction", "fusion"): OF_THE_CONFIGURATION,
    ("feature_reconstruction", "seed"): OF_THE_CONFIGURATION,
    ("pixel_reconstruction", "loss"): OF_THE_CONFIGURATION,
    ("pixel_reconstruction", "seed"): OF_THE_CONFIGURATION,
    ("ssl_finetune", "enabled"): "the representation of a configuration decides",
    ("ssl_finetune", "paper"): "not the budget that is chosen",
    ("ssl_finetune", "small"): "not the budget that is chosen",
    ("ssl_finetune", "demo"): "see test_every_number_of_the_budget_is_in_the_key",
    ("ssl_finetune", "seed"): OF_THE_CONFIGURATION,
    ("defect_synthesis", "seed"): OF_THE_CONFIGURATION,
    ("evaluation", "examples_per_kind"): "studies draw no examples",
    ("compute", "device"): "processors differ by rounding alone",
}  # fmt: skip
OTHER_CONFIGURATIONS = {
    "backbone": "resnet18", "representation": "defectmaker", "image_size": 96, "detector": "padim",
    "distance": "cosine", "coreset_ratio": 0.5, "light_copies": 1, "turned_copies": 1, "shots": 3,
    "seed": 1, "n_neighbors": 4, "alpha": 0.5, "form": "ratio", "image_score": "max",
    "normalization": "position", "neck": "reference",
    "anomaly_map": "distance", "global_branch": "mean",
    "feature_loss": "squared", "fusion": "product", "pixel_loss": "ssim",
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = miniatures.make_mvtec_ad(tmp_path_factory.mktemp("images"))
    return MVTecADDataset(path=str(root), category="screw").load()


@pytest.fixture(scope="module")
def sections():
    return sections_of_screws()


@pytest.fixture
def trainings(monkeypatch):
    """Stands in for every fine-tuning by weights that no other one gives; counts them."""
    made = []

    def finetune_backbone(samples, saliency, defects, features, *_):
        made.append(features)
        state = {"weight": torch.full((1,), float(len(made)))}
        config = {"backbone": features.backbone, "weights": features.weights}
        return BackboneWeights(state, config), {}

    monkeypatch.setattr(adapt, "finetune_backbone", finetune_backbone)
    monkeypatch.setattr(synthesis, "estimate_saliency", lambda *_: None)
    monkeypatch.setattr(synthesis, "synthesize_defects", lambda *_: None)
    return made


@pytest.fixture
def opened(monkeypatch):
    """Opens no network: initial weights are told apart by their name alone."""

    def initial(settings, device="auto"):
        source = Path(settings.weights)
        number = source.read_bytes()[0] if source.exists() else len(settings.backbone)
        config = {"backbone": settings.backbone, "weights": settings.weights}
        weights = BackboneWeights({"weight": torch.full((1,), float(number))}, config)
        return Encoder(settings, weights, device)

    monkeypatch.setattr(Encoder, "initial", initial)


@pytest.fixture
def key_of(images, trainings, opened):
    """Name of the report of a configuration under some sections; all share a cache."""
    cache: dict[str, bytes] = {}

    def key_of(sections, *, pixel_metrics=True, timed=False, **changes):
        experiment = experiment_on(images, sections, cache, timed=timed)
        evaluator = Evaluator(experiment, pixel_metrics=pixel_metrics)
        return entry("reports", **evaluator._content(configuration(**changes)))

    return key_of


def changed(sections, section, **values):
    return replace(sections, **{section: getattr(sections, section).model_copy(update=values)})


def test_every_setting_is_in_the_key_or_has_no_effect(sections):
    read = (
        "ingestion", "features", "defect_synthesis", "ssl_finetune", "memory_bank", "scoring",
        "feature_reconstruction", "pixel_reconstruction", "evaluation", "compute",
    )  # fmt: skip
    settings = {
        (section, name)
        for section in read
        for name in type(getattr(sections, section)).model_fields
    }
    assert settings == {*CHANGES, *WITHOUT_EFFECT}
    assert not CHANGES.keys() & WITHOUT_EFFECT.keys()
    assert set(OTHER_CONFIGURATIONS) == set(DEFAULTS)
    assert set(BUDGET_CHANGES) == set(type(sections.ssl_finetune.chosen).model_fields)


@pytest.mark.parametrize(("section", "name"), CHANGES)
def test_another_setting_is_another_report(sections, key_of, tmp_path, section, name):
    value, own = CHANGES[section, name]
    if value == WEIGHTS:
        value = str(tmp_path / "weights.pth")
        Path(value).write_bytes(b"0")
    if value == EMPTY_FIELD:
        value = str(tmp_path / "empty.png")
        Image.new("L", (32, 32), 128).save(value)
    before = key_of(sections, **own)
    assert key_of(sections, **own) == before
    assert key_of(changed(sections, section, **{name: value}), **own) != before


@pytest.mark.parametrize("name", BUDGET_CHANGES)
def test_every_number_of_the_budget_is_in_the_key(sections, key_of, name):
    budget = sections.ssl_finetune.demo.model_copy(update={name: BUDGET_CHANGES[name]})
    other = changed(sections, "ssl_finetune", demo=budget)
    assert key_of(other, **FINETUNED) != key_of(sections, **FINETUNED)


@pytest.mark.parametrize(("section", "name"), WITHOUT_EFFECT)
def test_a_setting_without_effect_measures_nothing_again(
    sections, key_of, trainings, section, name, tmp_path
):
    demo = sections.ssl_finetune.demo
    nothing = tmp_path / "list.csv"
    nothing.write_text("image,leave_out\n")
    values = {
        "max_unreadable_share": 0.9, "leave_out": str(nothing), "pose": "rigid",
        "golden": None, "channels": 1, "image_size": 96, "keep_aspect": None, "batch_size": 2, "distance": "cosine",
        "coreset_ratio": 0.5, "light_copies": 1, "turned_copies": 1,
        "seed": 7, "scorer": "knn", "n_neighbors": 2, "alpha": 0.5, "form": "ratio", "image_score": "max",
        "neck": "reference", "normalization": "position", "detector": "padim", "global_branch": "mean",
        "anomaly_map": "distance", "max_neighbors": 60, "loss": "other",
        "fusion": "product", "enabled": True, "paper": demo, "small": demo,
        "demo": demo, "examples_per_kind": 9, "device": "auto", "backbone": sections.features.backbone,
    }  # fmt: skip
    for own in (FEATURES, LEVELS, PIXELS, FINETUNED):
        before = key_of(sections, **own)
        assert key_of(changed(sections, section, **{name: values[name]}), **own) == before
    assert len(trainings) <= 1


@pytest.mark.parametrize("name", OTHER_CONFIGURATIONS)
def test_every_field_of_a_configuration_is_in_the_key(sections, key_of, name):
    own = {
        "feature_loss": LEVELS, "fusion": LEVELS, "pixel_loss": PIXELS
    }.get(name, {})  # fmt: skip
    other = {**own, name: OTHER_CONFIGURATIONS[name]}
    assert key_of(sections, **other) != key_of(sections, **own)


def test_what_is_measured_is_in_the_key(sections, key_of):
    keys = [
        key_of(sections),
        key_of(sections, pixel_metrics=False),
        key_of(sections, timed=True),
    ]
    assert len(set(keys)) == 3


def test_alpha_counts_as_the_number_that_it_is_fitted_to(sections, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path)
    miniatures.write_good(root / "screw/train/good", 21)  # three are held out
    images = MVTecADDataset(path=str(root), category="screw").load()
    evaluator = Evaluator(experiment_on(images, sections, {}), pixel_metrics=False)
    own = configuration(alpha="auto", image_size=128)
    report = evaluator.report(own)
    assert report["fitted_alpha"] > 0
    assert evaluator._content(own) == evaluator._content(replace(own, alpha=report["fitted_alpha"]))


# --- content that settings name


def test_files_that_settings_name_count_by_their_content(sections, tmp_path):
    folder = tmp_path / "textures"
    miniatures.write_good(folder, 2)
    settings = sections.defect_synthesis.model_copy(
        update={"fills": ["texture"], "texture_folder": str(folder)}
    )
    maps = settings.model_copy(update={"saliency": "folder", "saliency_source": str(folder)})
    network = tmp_path / "network.onnx"
    network.write_bytes(b"one")
    onnx = settings.model_copy(update={"saliency": "onnx", "saliency_source": str(network)})
    before = [defects_content(each, ["000.png"]) for each in (settings, maps, onnx)]
    assert [defects_content(each, ["000.png"]) for each in (settings, maps, onnx)] == before
    network.write_bytes(b"two")
    assert defects_content(onnx, ["000.png"]) != before[2]
    os.mkfifo(folder / "pipe.png")  # is not waited for
    miniatures.write_image(folder / "000.png", miniatures.draw_part(9)[0])
    after = [defects_content(each, ["000.png"]) for each in (settings, maps)]
    assert after[0] != before[0]
    assert after[1]["saliency_source"] != before[1]["saliency_source"]
    unused = settings.model_copy(update={"fills": ["noise"]})
    assert defects_content(maps, ["000a.png"]) != after[1]  # another map belongs to this path
    assert "texture_folder" not in defects_content(unused, ["000.png"])


def test_masks_count_by_their_content_where_they_are_measured(sections, tmp_path):
    root = miniatures.make_mvtec_loco(tmp_path)
    loco = MVTecLOCODataset(path=str(root), category="pushpins")

    def keys():
        experiment = experiment_on(loco.load(), sections, {})
        return [
            entry("reports", **Evaluator(experiment, pixel_metrics=yes)._content(configuration()))
            for yes in (True, False)
        ]

    before = keys()
    assert keys() == before
    config = root / "pushpins/defects_config.json"
    config.write_text(config.read_text().replace("30", "31"))  # pixels that saturate a region
    saturated = keys()
    mask = next((root / "pushpins/ground_truth").rglob("000.png"))
    miniatures.write_mask(mask, np.eye(miniatures.SIZE, dtype=bool))
    drawn = keys()
    assert len({before[0], saturated[0], drawn[0]}) == 3
    assert before[1] == saturated[1] == drawn[1]


# --- algorithms and libraries


def measured(images, sections, cache, **changes):
    """Kinds of entries that measuring a configuration adds to a cache."""
    before = set(cache)
    evaluator = Evaluator(experiment_on(images, sections, cache), pixel_metrics=False)
    assert isinstance(evaluator.report(configuration(**changes)), dict)
    return {name.split("/")[0] for name in set(cache) - before}


@pytest.fixture(scope="module")
def filled(images, sections):
    """A cache of one configuration that was measured."""
    cache: dict[str, bytes] = {}
    assert measured(images, sections, cache) == {"features", "banks", "searches", "reports"}
    return cache


@pytest.mark.parametrize(
    ("kind", "made_again"),
    [
        ("reports", {"reports"}),
        ("searches", {"searches"}),
        ("banks", {"banks", "searches"}),
        ("features", {"features"}),
    ],
)
def test_a_raised_version_is_another_entry(images, sections, filled, monkeypatch, kind, made_again):
    cache = dict(filled)
    assert measured(images, sections, cache) == set()
    for name in [name for name in cache if name.startswith("reports")]:
        del cache[name]
    if kind == "features":  # read by the other two alone
        for name in [name for name in cache if name.startswith(("banks", "searches"))]:
            del cache[name]
        made_again = {*made_again, "banks", "searches"}
    monkeypatch.setitem(ALGORITHMS, kind, ALGORITHMS[kind] + 1)
    assert measured(images, sections, cache) == {*made_again, "reports"}


def test_the_version_of_detections_and_backbones_counts(images, sections, monkeypatch, trainings):
    cache: dict[str, bytes] = {}
    experiment = experiment_on(images, sections, cache)
    experiment.detect(configuration(detector="gde"), HELD_OUT)
    for kind in ("detections", "backbones"):
        monkeypatch.setitem(ALGORITHMS, kind, ALGORITHMS[kind] + 1)
    experiment = experiment_on(images, sections, cache)
    before = {name for name in cache if name.startswith("detections")}
    experiment.detect(configuration(detector="gde"), HELD_OUT)
    assert len([name for name in cache if name.startswith("detections")]) == 2 * len(before)
    for _ in range(2):
        experiment_on(images, sections, cache).features.of(configuration(**FINETUNED), TEST)
    assert len(trainings) == 1
    monkeypatch.setitem(ALGORITHMS, "backbones", 99)
    experiment_on(images, sections, cache).features.of(configuration(**FINETUNED), TEST)
    assert len(trainings) == 2


@pytest.mark.parametrize("library", [*LIBRARIES, "openvino"])
def test_another_version_of_a_library_is_another_report(sections, key_of, monkeypatch, library):
    installed = content_cache._version
    openvino = changed(sections, "features", engine="openvino")
    before = [key_of(sections), key_of(openvino)]
    monkeypatch.setattr(
        content_cache, "_version", lambda name: "0" if name == library else installed(name)
    )
    after = [key_of(sections), key_of(openvino)]
    assert (after[0] != before[0]) == (library != "openvino")
    assert after[1] != before[1]
