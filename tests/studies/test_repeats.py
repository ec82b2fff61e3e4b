"""A setting of a configuration has an effect, or the study says that the detector does not read it."""

from dataclasses import replace

import numpy as np
import pytest
from experiments import experiment_on, sections_of_screws

import miniatures
from conftest import ROOT
from plain_configuration import DEFAULTS, configuration
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.detectors.registry import DETECTORS
from reb_pipeline.parameters.configurations import PIXEL_DETECTORS
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.parameters.studies import StudiesParams
from reb_pipeline.scoring import detector
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.studies.groups import TEST
from reb_pipeline.studies.repeats import repeats, settings_read
from reb_pipeline.studies.sections import StudySections

OTHER = {
    "image_size": 96, "distance": "cosine", "coreset_ratio": 0.3, "shots": 3, "seed": 1, "n_neighbors": 5,
    "alpha": 0.5, "form": "ratio", "image_score": "average", "feature_loss": "squared", "fusion": "product",
    "pixel_loss": "ssim", "neck": "reference", "normalization": "position",
}  # fmt: skip
FITTED = {"backbone", "representation"}  # change the features of all detectors that read features
SHOTS = {"shots": 5}  # drawn by the seed
ENVIRONMENTS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir())


@pytest.fixture(scope="module")
def scores_of(tmp_path_factory):
    """Image scores of a configuration on the miniature's test images, rounded as different runs may."""
    root = miniatures.make_mvtec_ad(tmp_path_factory.mktemp("images"))
    images = MVTecADDataset(path=str(root), category="screw").load()
    experiment = experiment_on(images, sections_of_screws(), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector, "enough_images", lambda *_: True)  # the miniature has few
        yield lambda own: experiment.detect(own, TEST).image_scores


@pytest.mark.parametrize("name", [*SCORERS, *DETECTORS])
def test_a_setting_has_an_effect_exactly_where_it_is_read(scores_of, name):
    own = configuration(detector=name, **SHOTS)
    read = settings_read(own)
    before = scores_of(own)
    for setting in [one for one in OTHER if one in read]:
        if setting == "image_size" and name in PIXEL_DETECTORS:
            continue  # the size of their maps alone
        if (name, setting) == ("spade", "neck"):
            continue  # which its maps are made of, not its image scores
        changed = scores_of(replace(own, **{setting: OTHER[setting]}))
        assert np.abs(changed - before).max() > 1e-6 * np.abs(before).max(), setting
    unread = {one: value for one, value in OTHER.items() if one not in read}
    np.testing.assert_allclose(scores_of(replace(own, **unread)), before, rtol=1e-4)


def test_every_detector_says_what_it_reads():
    for name in (*SCORERS, *DETECTORS):
        read = settings_read(configuration(detector=name))
        assert {"detector", "shots", "seed"} <= read < {*DEFAULTS}
        assert (read >= FITTED) == (name not in PIXEL_DETECTORS)
    assert settings_read(configuration(detector="nobody")) == {*DEFAULTS}


def test_the_number_of_neighbours_is_read_where_they_are_compared():
    plain = configuration(detector="nearest")
    assert "n_neighbors" not in settings_read(plain)
    assert "n_neighbors" in settings_read(replace(plain, image_score="reweighted"))


def test_a_repetition_is_named():
    nearest = [configuration(detector="nearest", alpha=alpha) for alpha in (0.0, 1.0, "auto")]
    density = [configuration(detector="ldknn", alpha=alpha) for alpha in (0.0, 1.0, "auto")]
    found = repeats([*nearest, *density])
    assert list(found) == nearest[1:]
    assert found[nearest[1]] == (
        "The detector nearest does not read alpha, so this repeats the configuration with alpha = 0.0: give the "
        "detectors that read it a grid of their own."
    )


@pytest.mark.parametrize("env", [one for one in ENVIRONMENTS if one not in ("base", "local")])
def test_no_study_of_the_project_repeats_itself(env):
    loader = ProjectConfigLoader(str(ROOT / "conf"), env=env, **LOADER_ARGS)
    parameters = loader["parameters"]
    defaults = StudySections.of(parameters, loader.categories[0]).defaults()
    for name, study in StudiesParams.model_validate(parameters["studies"]):
        if hasattr(study, "grids"):
            assert not repeats(study.configurations(defaults)), name


@pytest.mark.parametrize("name", ["gde", "spade", "feature_reconstruction", "hybrid"])
def test_tiles_are_refused_where_the_whole_image_is_read(tmp_path, name):
    root = miniatures.make_mvtec_ad(tmp_path)
    images = MVTecADDataset(path=str(root), category="screw").load()
    sections = sections_of_screws()
    tiles = sections.features.model_copy(update={"tile_size": 64, "tile_overlap": 32})
    experiment = experiment_on(images, replace(sections, features=tiles), {})
    with pytest.raises(
        InputError, match=r"tile_size = 64 cannot be used here: .* Set features.tile_size"
    ):
        experiment.detect(configuration(detector=name, image_size=128), TEST)
