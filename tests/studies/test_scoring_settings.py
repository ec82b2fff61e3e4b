"""The user's settings of image scores reach every detector that makes image scores of patch scores."""

from dataclasses import replace

import numpy as np
import pytest
from experiments import CONF, PARAMS, experiment_on, sections_of_screws

import miniatures
from plain_configuration import configuration
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.studies import candidates
from reb_pipeline.studies.groups import HELD_OUT, TEST
from reb_pipeline.studies.measure import Evaluator
from reb_pipeline.studies.sections import StudySections

DETECTORS = (
    "padim", "fused", "hierarchical", "feature_reconstruction", "autoencoder", "hybrid", "nearest"
)  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = miniatures.make_mvtec_ad(tmp_path_factory.mktemp("images"))
    return MVTecADDataset(path=str(root), category="screw").load()


@pytest.fixture(scope="module")
def open_experiment(images):
    """Open an experiment with some settings of scores; all share a cache."""
    cache: dict[str, bytes] = {}
    sections = sections_of_screws()

    def open_experiment(**scoring):
        changed = sections.scoring.model_copy(update=scoring)
        return experiment_on(images, replace(sections, scoring=changed), cache)

    return open_experiment


def in_study(experiment, own):
    """Image scores as a study reports them."""
    report = Evaluator(experiment, pixel_metrics=False).report(own)
    assert isinstance(report, dict), report
    return report["image_scores"]


def in_selection(experiment, own):
    """Image scores of the held-out good images that a choice is made by."""
    return experiment.detect(own, HELD_OUT).image_scores


@pytest.mark.parametrize("image_scores", [in_study, in_selection])
@pytest.mark.parametrize("name", DETECTORS)
def test_numbers_of_image_scores_change_the_scores(open_experiment, name, image_scores):
    patches = open_experiment().detect(configuration(detector=name), TEST).patch_scores
    low, high = np.quantile(patches, [0.2, 0.8]).tolist()
    settings = {
        "top_patches": (1, 30),
        "top_share": (0.1, 0.9),
        "quantile": (0.1, 0.9),
        "area_threshold": (low, high),
    }
    experiments = [
        open_experiment(**{setting: values[side] for setting, values in settings.items()})
        for side in (0, 1)
    ]
    for image_score in ("top_k_mean", "top_share_mean", "quantile", "thresholded_area"):
        own = configuration(detector=name, image_score=image_score)
        first, second = (image_scores(experiment, own) for experiment in experiments)
        assert np.not_equal(first, second).any(), image_score


def test_scores_are_made_as_asked_for(open_experiment):
    for name in DETECTORS:
        own = configuration(detector=name, image_score="top_k_mean")
        found = open_experiment(top_patches=3).detect(own, TEST)
        flat = np.sort(found.patch_scores.reshape(len(found.image_ids), -1), axis=1)
        np.testing.assert_allclose(found.image_scores, flat[:, -3:].mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", DETECTORS)
def test_an_area_needs_its_threshold(open_experiment, name):
    own = configuration(detector=name, image_score="thresholded_area")
    report = Evaluator(open_experiment(), pixel_metrics=False).report(own)
    assert isinstance(report, str)
    assert "image_score = thresholded_area needs area_threshold" in report


def test_candidates_are_ranked_by_the_settings_given(open_experiment, monkeypatch):
    monkeypatch.setattr(candidates, "MIN_HELD_OUT", 1)
    compared = [configuration(detector=name, image_score="top_k_mean") for name in DETECTORS]
    few, many = (
        candidates.rank_candidates(open_experiment(top_patches=number), compared)
        for number in (1, 30)
    )
    assert (few["separation"] != many["separation"]).all()


def test_a_category_s_own_settings_reach_its_studies():
    own = {"top_patches": 3, "per_category": {"screw": {"top_share": 0.5, "quantile": 0.1}}}
    params = {**PARAMS, "scoring": {**PARAMS.get("scoring", {}), **own}}
    loader = ProjectConfigLoader(str(CONF), env="mvtec_ad", runtime_params=params, **LOADER_ARGS)
    for category, expected in (("screw", (3, 0.5, 0.1)), ("wood", (3, 0.1, 0.99))):
        sections = StudySections.of(loader["parameters"], category)
        found = sections.under(configuration()).scoring
        assert (found.top_patches, found.top_share, found.quantile) == expected


def test_a_detector_of_whole_images_reads_no_image_score(open_experiment):
    scores = [
        open_experiment().detect(configuration(detector="gde", image_score=name), TEST).image_scores
        for name in ("max", "reweighted", "thresholded_area")
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
