from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from reb_pipeline.config_loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.errors import InputError
from reb_pipeline.parameters import CATEGORY_SECTIONS, expand_parameters

CONF = Path(__file__).parents[1] / "conf"
ENVIRONMENTS = sorted({path.parent.name for path in CONF.glob("*/*.yml")} - {"local"})
BUDGET = {
    "updates": 9, "image_size": 64, "images_per_pass": 2, "passes_per_update": 1, "learning_rate": 0.01,
    "backbone_learning_rate": 0.001, "freeze_updates": 3, "frozen_depth": 0.0, "freeze_batch_norm": False,
}  # fmt: skip
RAW: dict[str, Any] = {
    "seed": 0,
    "ingestion": {"max_unreadable_share": 0.02},
    "features": {
        "backbone": "resnet18", "weights": "imagenet", "layers": None, "image_size": 256,
        "neck": "paper", "width": None, "batch_size": 16,
    },
    "defect_synthesis": {
        "saliency": "whole_image", "saliency_source": None, "shapes": ["bezier", "rect"],
        "fills": ["noise"], "texture_folder": None, "per_kind": 5, "seed": 0,
    },
    "ssl_finetune": {
        "enabled": True, "budget": "small", "paper": BUDGET, "small": BUDGET, "demo": BUDGET,
        "loss": "sigmoid", "momentum": 0.9, "weight_decay": 0.0, "seed": 0,
    },
    "memory_bank": {"coreset_ratio": 1.0, "seed": 0},
    "ldknn": {
        "max_neighbors": 15, "n_neighbors": 5, "alpha": 1.0, "form": "ratio",
        "image_score": "max", "smoothing_sigma": 4.0,
    },
    "evaluation": {"pro_fpr_limit": 0.3, "spro_fpr_limit": 0.05, "examples_per_kind": 3},
    "summary": {"textures": ["wood"]},
}  # fmt: skip


def changed(section: str, **values: Any) -> dict[str, Any]:
    raw = deepcopy(RAW)
    raw[section] |= values
    return raw


def test_every_category_gets_every_section() -> None:
    expanded = expand_parameters(RAW, ["screw", "wood"])
    for section in CATEGORY_SECTIONS:
        assert expanded[section] == {"screw": RAW[section], "wood": RAW[section]}
    assert expanded["summary"] == RAW["summary"]
    assert expanded["seed"] == 0


def test_a_category_s_own_values_come_on_top() -> None:
    own = {"wood": {"n_neighbors": 9, "alpha": 0.5}, "screw": None}
    raw = changed("ldknn", per_category=own)
    before = deepcopy(raw)
    expanded = expand_parameters(raw, ["screw", "wood"])["ldknn"]
    assert expanded == {"screw": RAW["ldknn"], "wood": RAW["ldknn"] | own["wood"]}
    assert raw == before


def test_a_category_may_change_one_number_of_a_budget() -> None:
    raw = changed("ssl_finetune", per_category={"wood": {"demo": {"updates": 5}}})
    expanded = expand_parameters(raw, ["screw", "wood"])["ssl_finetune"]
    assert expanded["screw"]["demo"] == BUDGET
    assert expanded["wood"]["demo"] == BUDGET | {"updates": 5}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({**RAW, "ldkn": {}}, r"Parameter section 'ldkn' is unknown: did you mean 'ldknn'\?"),
        ({**RAW, "xyz": {}}, "section 'xyz' is unknown: known are ingestion, features, .*seed"),
        (
            changed("ldknn", n_neighbours=3),
            r"of section ldknn 'n_neighbours' is unknown: did you mean 'n_neighbors'\?",
        ),
        (
            changed("ldknn", per_category={"wod": {"alpha": 2.0}}),
            r"Category of ldknn.per_category 'wod' is unknown: did you mean 'wood'\?",
        ),
        (
            changed("ldknn", per_category={"wood": {"alfa": 2.0}}),
            r"of section ldknn 'alfa' is unknown: did you mean 'alpha'\?",
        ),
        (changed("summary", texture=[]), r"'texture' is unknown: did you mean 'textures'\?"),
        (
            changed("features", image_size=-1),
            r"features.image_size cannot be used: Input should be greater .* \(given: -1\)\.$",
        ),
        (
            changed("features", neck="long"),
            r"features.neck cannot be used: Input should be 'reference' or 'paper' \(given: 'long'\)",
        ),
        (
            changed("memory_bank", coreset_ratio=0),
            r"memory_bank.coreset_ratio cannot be used: Input should be greater than 0",
        ),
        (
            changed("ldknn", per_category={"wood": {"alpha": "much"}}),
            r"ldknn.alpha cannot be used: .*valid number.* \(given: 'much'\)",
        ),
        (
            changed("ldknn", n_neighbors=16),
            r"ldknn cannot be used: n_neighbors = 16 is above max_neighbors = 15: raise max_neighbors\.$",
        ),
        (
            {**RAW, "evaluation": {"pro_fpr_limit": 0.3}},
            r"evaluation.spro_fpr_limit cannot be used: Field required\.$",
        ),
        ({**RAW, "ldknn": 5}, r"ldknn cannot be used: it must hold names .* \(given: 5\)"),
        ({**RAW, "summary": ["wood"]}, r"summary cannot be used: it must hold names"),
        (changed("ldknn", per_category=["wood"]), r"ldknn.per_category cannot be used"),
        (changed("ldknn", per_category={"wood": 9}), r"ldknn.per_category.wood cannot be used"),
    ],
)
def test_what_cannot_be_used_says_so(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand_parameters(raw, ["screw", "wood"])


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_environments_of_the_project_expand(env: str) -> None:
    loader = ProjectConfigLoader(str(CONF), env=env, **LOADER_ARGS)
    parameters = loader["parameters"]
    for section, model in CATEGORY_SECTIONS.items():
        assert list(parameters[section]) == loader.categories
        for values in parameters[section].values():
            model.model_validate(values)


def test_categories_must_be_names(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    for text in ("categories: []", "categories: [1]", "other: 1"):
        (tmp_path / "base/globals.yml").write_text(text)
        loader = ProjectConfigLoader(str(tmp_path), env="base", **LOADER_ARGS)
        with pytest.raises(InputError, match="of environment 'base' cannot be used: list at least"):
            _ = loader.categories
