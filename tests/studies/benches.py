"""A workbench of the miniature of MVTec AD's screws."""

from pathlib import Path

import numpy as np

from conftest import SMALL
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.parameters.per_category import CATEGORY_SECTIONS
from reb_pipeline.parameters.sections import ComputeParams
from reb_pipeline.studies.measure import open_workbench
from reb_pipeline.studies.sections import Sections

CONF = Path(__file__).parents[2] / "conf"
PARAMS = {
    **SMALL,
    "features": {**SMALL["features"], "batch_size": 3},
    "defect_synthesis": {"saliency": "whole_image", "per_kind": 1},
    "ssl_finetune": {**SMALL["ssl_finetune"], "enabled": False},
    "feature_reconstruction": {"updates": 2},
    "pixel_reconstruction": {"updates": 2, "image_size": 32},
}
REPRESENTATIONS = {
    "defectmaker": {},
    "cutpaste": {"shapes": ["rect"], "fills": ["cut_paste"]},
    "draem": {"shapes": ["perlin"], "fills": ["texture"]},
}


def parameters_of_screws():
    """The sections of the category by name."""
    loader = ProjectConfigLoader(str(CONF), env="mvtec_ad", runtime_params=PARAMS, **LOADER_ARGS)
    expanded = loader["parameters"]
    return {name: model(**expanded[name]["screw"]) for name, model in CATEGORY_SECTIONS.items()}


def bench_of(images, parameters, cache, **more):
    """A workbench of such sections."""
    names = (
        "ingestion", "features", "defect_synthesis", "ssl_finetune", "memory_bank", "scoring",
        "feature_reconstruction", "pixel_reconstruction",
    )  # fmt: skip
    compute = ComputeParams(device="cpu", memory_gib=4.0)
    sections = Sections(*(parameters[name] for name in names), compute)
    return open_workbench(images, sections, REPRESENTATIONS, 15, cache, **more)


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
