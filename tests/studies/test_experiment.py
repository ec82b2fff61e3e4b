"""Everything that configurations share is computed once, and is what a run of the project computes."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from experiments import PARAMS, count_calls, experiment_on, sections_of_screws, stack

import miniatures
from conftest import newest, read_json
from plain_configuration import configuration
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import MVTecADDataset, PlainFolderDataset
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.features.backbones import load_deepest
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.finetuning import adapt
from reb_pipeline.images.resize import resize_image
from reb_pipeline.metrics.registry import measured_metrics
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.studies import category_features, representations, searches
from reb_pipeline.studies.groups import FAINT, GOOD, HELD_OUT, SYNTHETIC, TEST, UNSEEN
from reb_pipeline.studies.measure import Evaluator


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return miniatures.make_mvtec_ad(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def sections():
    return sections_of_screws()


@pytest.fixture
def open_experiment(root, sections):
    """Open an experiment on a cache."""

    def open_experiment(cache, images=None, *, timed=False):
        images = images or MVTecADDataset(path=str(root), category="screw").load()
        return experiment_on(images, sections, cache, timed=timed)

    return open_experiment


@pytest.fixture
def experiment(open_experiment):
    return open_experiment({})


@pytest.fixture
def count(monkeypatch):
    return partial(count_calls, monkeypatch)


# --- features


def test_features_are_extracted_once(open_experiment, count):
    extracted = count(PatchExtractor, "__call__")
    cache: dict[str, bytes] = {}
    ids, first = stack(open_experiment(cache).features.of(configuration(), GOOD))
    assert [len(images) for _, images in extracted] == [3, 3, 2]
    opened = count(PatchExtractor, "__init__")

    other_run = open_experiment(cache).features.of(
        configuration(detector="nearest", n_neighbors=1), GOOD
    )

    assert other_run.image_ids == ids
    np.testing.assert_array_equal(stack(other_run)[1], first)
    assert len(extracted) == 3
    assert opened == []


def test_an_extraction_that_was_cut_short_goes_on(open_experiment, count):
    cache: dict[str, bytes] = {}
    stream = open_experiment(cache).features.of(configuration(), GOOD).patches()
    for _ in range(4):
        next(stream)
    kept = dict(cache)
    extracted = count(PatchExtractor, "__call__")

    stack(open_experiment(cache).features.of(configuration(), GOOD))

    assert [len(images) for _, images in extracted] == [2]
    assert kept.items() <= cache.items()


def test_other_settings_are_other_features(experiment):
    usual = stack(experiment.features.of(configuration(), GOOD))[1]
    larger = stack(experiment.features.of(configuration(image_size=96), GOOD))[1]
    assert usual.shape[1:3] == (8, 8)
    assert larger.shape[1:3] == (12, 12)


def test_pooled_features_are_means_over_positions(experiment):
    features = experiment.features.of(configuration(), TEST)
    deepest = load_deepest("efficientnet_lite0", image_size=64)
    images = np.stack([resize_image(image.open(), 64) for image in features.images])
    batch = torch.from_numpy((images / 255 - deepest.mean) / deepest.std).float()
    with torch.inference_mode():
        (positions,) = deepest(batch.permute(0, 3, 1, 2))
    for _ in range(2):  # extracted, then read
        found = features.pooled()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, positions.mean(dim=(2, 3)), rtol=1e-2, atol=1e-2)


# --- groups of images


def test_few_shots_are_a_draw_of_the_seed(experiment):
    def drawn(**changes):
        return experiment.features.of(configuration(**changes), GOOD).image_ids

    everything = drawn()
    assert len(everything) == miniatures.TRAIN_GOOD
    for shots in (1, 3, 5):
        assert len(set(drawn(shots=shots))) == shots
        assert set(drawn(shots=shots)) < set(everything)
        assert drawn(shots=shots) == drawn(shots=shots, n_neighbors=9)
    assert len({tuple(drawn(shots=3, seed=seed)) for seed in range(5)}) > 1
    assert drawn(shots=8) == drawn(shots=99) == everything
    assert (
        experiment.features.of(configuration(shots=1), TEST).image_ids
        == experiment.features.of(configuration(), TEST).image_ids
    )
    assert (
        experiment.searches.bank(configuration(shots=3), GOOD).detector.features.shape[0]
        == 3 * 8 * 8
    )


@pytest.mark.parametrize("shots", [None, 2, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_defects_to_choose_by_lie_on_images_that_nothing_was_learnt_from(
    experiment, monkeypatch, shots, seed
):
    made = []

    def synthesize(sections, samples, purpose):
        made.append((samples, purpose))
        return representations.synthesize(sections, samples, purpose)

    monkeypatch.setattr(category_features, "synthesize", synthesize)
    one = configuration(shots=shots, seed=seed)
    for group in (SYNTHETIC, FAINT):
        experiment.features.of(one, group)
    ((samples, purpose),) = made
    learnt = experiment.features.samples(one, UNSEEN).ids
    assert purpose == Purpose.SELECTION
    assert samples.held_out_good.ids == experiment.features.samples(one, HELD_OUT).ids
    assert set(samples.held_out_good.ids).isdisjoint(learnt)
    assert samples.good_finetuning.ids == learnt


@pytest.mark.parametrize("has_calibration", [False, True])
def test_held_out_images_are_never_in_their_bank(open_experiment, tmp_path, has_calibration):
    images = None
    if has_calibration:
        folder = str(miniatures.make_plain_folder(tmp_path))
        split = {"train": 0.6, "calibration": 0.1, "seed": 0}
        images = PlainFolderDataset(path=folder, category="bolt", split=split).load()
    experiment = open_experiment({}, images)
    held_out = experiment.features.samples(configuration(), HELD_OUT)
    assert held_out.table["split"].unique().tolist() == [
        "calibration" if has_calibration else "train"
    ]
    unseen = experiment.features.of(configuration(), UNSEEN).image_ids
    assert unseen
    assert not set(unseen) & set(held_out.ids)
    found = experiment.searches.nearest(configuration(), HELD_OUT)
    bank = experiment.searches.bank(configuration(), UNSEEN).detector
    assert len(bank.features) == len(unseen) * 8 * 8
    assert found.squared_distances.min() > 0


def test_one_shot_holds_nothing_out(experiment):
    with pytest.raises(InputError, match=r"alpha = auto needs at least 3 .* there are 0 .*: give"):
        experiment.searches.alpha(configuration(shots=1, alpha="auto"))
    assert experiment.searches.alpha(configuration(shots=1, alpha=0.5)) == 0.5
    assert np.isfinite(experiment.detect(configuration(shots=1), TEST).image_scores).all()


# --- banks, searches and networks


def test_configurations_of_another_k_or_alpha_search_nothing(experiment, count):
    searched = count(searches, "search_images")
    experiment.detect(configuration(), TEST)
    names = set(experiment.cache)
    for changes in (
        {"n_neighbors": 9}, {"alpha": 0.0}, {"form": "ratio"}, {"image_score": "max"}, {"detector": "nearest"}
    ):  # fmt: skip
        experiment.detect(configuration(**changes), TEST)
    assert set(experiment.cache) == names
    assert len(searched) == 1
    experiment.detect(configuration(detector="knn", n_neighbors=2), TEST)  # needs all neighbours
    experiment.detect(configuration(detector="lof", n_neighbors=5), TEST)
    assert len(searched) == 2
    experiment.detect(configuration(coreset_ratio=0.5), TEST)
    assert len(searched) == 3


def test_a_backbone_is_fine_tuned_once_a_representation(open_experiment, count):
    trained = count(adapt, "finetune_backbone")
    cache: dict[str, bytes] = {}

    def digest(**changes):
        return (
            open_experiment(cache).features.of(configuration(**changes), GOOD).provenance["weights"]
        )

    digests = [digest(representation=name) for name in ("imagenet", "defectmaker", "cutpaste")]
    assert len(set(digests)) == 3
    assert digest(representation="defectmaker", detector="gde") == digests[1]
    assert len(trained) == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cutpast", "Representation of a study 'cutpast' is unknown: did you mean 'cutpaste'"),
        ("draem", "Representation 'draem' cannot be used: the fill texture needs texture_folder"),
    ],
)
def test_representations_that_cannot_be_made(experiment, name, sentence):
    evaluator = Evaluator(experiment, pixel_metrics=False)
    found = evaluator.report(configuration(representation=name))
    assert isinstance(found, str)
    assert found.startswith(f"error: {sentence}")


# --- what is measured


def test_the_default_configuration_is_a_run_of_the_project(run_project, root, experiment):
    out = run_project("mvtec_ad", {"data_root": str(root), **PARAMS}, namespaces=["screw"])
    expected = read_json(out / "08_reporting/screw", "metrics.json")
    scores = pd.read_parquet(newest(out / "07_model_output/screw", "scores.parquet"))

    default = Configuration(**experiment.sections.defaults())
    found = Evaluator(experiment, pixel_metrics=True).report(default)

    for name, value in measured_metrics(expected).items():
        assert found[name] == pytest.approx(value, abs=1e-2)
    assert set(found["per_defect_type"]) == set(expected["per_defect_type"])
    ids = experiment.features.of(default, TEST).image_ids
    usual = scores.set_index("id").loc[ids]
    assert found["labels"] == usual["label"].tolist()
    np.testing.assert_allclose(found["image_scores"], usual["image_score"], rtol=2e-2, atol=1e-3)
    assert found["image_auroc_low"] <= found["image_auroc"] <= found["image_auroc_high"]
