"""Costs of configurations, and detectors that are trained."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from experiments import count_calls, experiment_on, sections_of_screws, stack

import miniatures
from plain_configuration import configuration
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.detectors import reconstruction
from reb_pipeline.detectors.sources import images as images_module
from reb_pipeline.images.resize import resize_image
from reb_pipeline.studies import costs
from reb_pipeline.studies.groups import FAINT, HELD_OUT, SYNTHETIC, TEST
from reb_pipeline.studies.measure import Evaluator
from reb_pipeline.studies.rows import COSTS


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


def test_fresh_features_are_those_of_the_cache(experiment):
    cached = experiment.features.of(configuration(), TEST)
    fresh = cached.fresh()
    for features in (fresh, fresh.take(range(len(cached.image_ids)))):
        ids, grids = stack(features)
        assert ids == cached.image_ids
        np.testing.assert_array_equal(grids, stack(cached)[1])
        np.testing.assert_array_equal(features.pooled(), cached.pooled())
        for (_, levels), (_, others) in zip(features.levels(), cached.levels(), strict=True):
            assert len(levels) == 3
            for level, other in zip(levels, others, strict=True):
                np.testing.assert_array_equal(level, other)
    some = cached.take([3, 1])
    assert some.image_ids == fresh.take([3, 1]).image_ids == [ids[3], ids[1]]
    for (name, image), (_, other) in zip(
        some.pixels(32), fresh.take([3, 1]).pixels(32), strict=True
    ):
        path = cached.images[ids.index(name)]
        np.testing.assert_array_equal(image, resize_image(path.open(), 32))
        np.testing.assert_array_equal(image, other)


def test_times_leave_the_opening_of_images_out(experiment, monkeypatch):
    fresh = experiment.features.of(configuration(), TEST).fresh()
    now = iter(range(1000))
    monkeypatch.setattr(images_module, "perf_counter", lambda: next(now))
    found, seconds = fresh.timed(lambda features: [name for name, _ in features.pixels(32)])
    assert found == fresh.image_ids
    assert seconds == 1 + len(found)  # a tick within every opening, and one between it and the next
    assert fresh.encoder_bytes == 0


def test_a_larger_network_is_more_to_hold(experiment):
    fresh = experiment.features.of(configuration(), TEST).opened(2)
    sizes = []
    for stream in (lambda: list(fresh.patches()), fresh.pooled):
        stream()
        sizes.append(fresh.encoder_bytes)
    assert 0 < sizes[0] < sizes[1]


@pytest.mark.parametrize(
    "name", ["nearest", "ldknn", "gde", "feature_reconstruction", "autoencoder", "hybrid"]
)
def test_a_timed_configuration_is_fitted_once_and_found_again(open_experiment, count, name):
    cache: dict[str, bytes] = {}
    own = configuration(detector=name)
    fits = count(costs, "timed_fit")
    found = Evaluator(open_experiment(cache, timed=True), pixel_metrics=False).report(own)
    assert len(fits) == 1
    for cost in COSTS:
        assert found[cost] > 0
    for reports in [entry for entry in cache if entry.startswith("reports")]:
        del cache[reports]

    again = Evaluator(open_experiment(cache, timed=True), pixel_metrics=False).report(own)

    assert len(fits) == 1
    assert again["fit_seconds"] == found["fit_seconds"]
    assert again["model_mib"] == found["model_mib"]
    assert again["image_scores"] == found["image_scores"]
    untimed = Evaluator(open_experiment({}), pixel_metrics=False).report(own)
    assert untimed["image_scores"] == found["image_scores"]
    assert not set(COSTS) & set(untimed)


def test_memory_is_that_of_bank_density_and_network(open_experiment):
    experiment = open_experiment({}, timed=True)
    own = configuration(detector="ldknn", coreset_ratio=0.5, n_neighbors=3)
    rows = miniatures.TRAIN_GOOD * 64 // 2
    channels = stack(experiment.features.of(own, TEST))[1].shape[3]
    network = experiment.features.of(own, TEST).opened(1)
    list(network.patches())
    expected = (rows * (channels + 3) * 4 + network.encoder_bytes) / 2**20
    assert experiment.costs(own)["model_mib"] == pytest.approx(expected)


def test_one_training_scores_all_groups_of_a_candidate(experiment, count):
    trained = count(reconstruction, "train_feature_decoder")
    for group in (HELD_OUT, SYNTHETIC, FAINT):
        experiment.detect(configuration(detector="feature_reconstruction"), group)
    assert len(trained) == 1
    experiment.detect(
        configuration(detector="feature_reconstruction", feature_loss="squared"), HELD_OUT
    )
    assert len(trained) == 2
    experiment.detect(
        configuration(detector="feature_reconstruction", feature_loss="squared"), TEST
    )
    assert len(trained) == 3  # on all good images


def test_the_budget_tells_detections_apart(experiment, sections):
    own = configuration(detector="feature_reconstruction")
    before = experiment.detect(own, TEST).image_scores
    longer = sections.feature_reconstruction.model_copy(update={"updates": 4})
    again = experiment_on(
        experiment.images, replace(sections, feature_reconstruction=longer), experiment.cache
    )
    assert (again.detect(own, TEST).image_scores != before).any()
