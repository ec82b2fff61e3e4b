"""An experiment on the miniature of MVTec AD's screws."""

from pathlib import Path

import numpy as np

from conftest import SMALL
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.sections import StudySections

CONF = Path(__file__).parents[2] / "conf"
PARAMS = {
    **SMALL,
    "compute": {"device": "cpu"},
    "features": {**SMALL["features"], "batch_size": 3},
    "defect_synthesis": {"saliency": "whole_image", "per_kind": 1},
    "ssl_finetune": {**SMALL["ssl_finetune"], "enabled": False},
    "feature_reconstruction": {"updates": 2},
    "pixel_reconstruction": {"updates": 2, "image_size": 32},
    "studies": {
        "representation_defects": {
            "defectmaker": {},
            "cutpaste": {"shapes": ["rect"], "fills": ["cut_paste"]},
            "draem": {"shapes": ["perlin"], "fills": ["texture"]},
        }
    },
}
MAX_NEIGHBORS = 15


def sections_of_screws():
    """The sections of the category."""
    loader = ProjectConfigLoader(str(CONF), env="mvtec_ad", runtime_params=PARAMS, **LOADER_ARGS)
    return StudySections.of(loader["parameters"], "screw")


def experiment_on(images, sections, cache, *, timed=False):
    """An experiment of some sections."""
    return Experiment(images, sections, cache, MAX_NEIGHBORS, timed=timed)


def count_calls(monkeypatch, owner, name):
    """Count the calls of a function from now on."""
    calls, original = [], getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def stack(features):
    """Ids and patch features of all images."""
    ids, grids = zip(*features.patches(), strict=True)
    return list(ids), np.stack(grids)
