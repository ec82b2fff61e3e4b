from copy import deepcopy
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from omegaconf import OmegaConf

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings
from reb_pipeline.defectmaker.fills import FILLS
from reb_pipeline.defectmaker.saliency import SALIENCY
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.shapes import SHAPES
from reb_pipeline.detectors.registry import DETECTORS
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.engines import AUTO, ENGINES
from reb_pipeline.features.neck import NECKS
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.finetuning.training import LOSSES
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.parameters.per_category import (
    CATEGORY_SECTIONS,
    SHARED_SECTIONS,
    expand_parameters,
)
from reb_pipeline.parameters.studies import RUN_BY_PIPELINES, StudiesParams
from reb_pipeline.reconstruction.feature_losses import FEATURE_LOSSES
from reb_pipeline.reconstruction.pixel_losses import PIXEL_LOSSES
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.scoring.settings import ScoringSettings

CONF = Path(__file__).parents[2] / "conf"
ENVIRONMENTS = sorted({path.parent.name for path in CONF.glob("*/*.yml")} - {"local"})
BUDGET = {
    "updates": 9, "image_size": 64, "images_per_pass": 2, "passes_per_update": 1, "learning_rate": 0.01,
    "backbone_learning_rate": 0.001, "freeze_updates": 3, "frozen_depth": 0.0, "freeze_batch_norm": False,
}  # fmt: skip
STUDY = {
    "grids": [{"detector": ["nearest"], "n_neighbors": [1, 5]}, {"alpha": [0.0, "auto"]}],
    "reference": {"detector": "nearest"},
    "published_tables": ["2", "5"], "max_neighbors": 15, "pixel_metrics": True, "speed": False,
}  # fmt: skip
STUDIES = (
    "arms", "representations", "detectors", "few_shot", "coreset", "neighbors", "alpha", "defaults", "features",
    "logical", "light", "paradigms",
)  # fmt: skip
RAW: dict[str, Any] = {
    "compute": {"device": "auto", "memory_gib": 4.0},
    "seed": 0,
    "ingestion": {"max_unreadable_share": 0.02},
    "features": {
        "backbone": "resnet18", "weights": "imagenet", "layers": None, "image_size": 256,
        "neck": "paper", "width": None, "unit_length": None, "engine": "auto", "tile_size": None, "tile_overlap": 64,
        "batch_size": 16, "light": "as_is", "region": None, "empty_field": None,
    },
    "defect_synthesis": {
        "saliency": "whole_image", "saliency_source": None, "shapes": ["bezier", "rect"],
        "fills": ["noise"], "texture_folder": None, "per_kind": 5, "seed": 0,
    },
    "logical_set": {
        "side": 256, "rows": 3, "columns": 3, "train": 100, "good": 50, "per_kind": 20, "seed": 0,
    },
    "ssl_finetune": {
        "enabled": True, "budget": "small", "paper": BUDGET, "small": BUDGET, "demo": BUDGET,
        "loss": "sigmoid", "momentum": 0.9, "weight_decay": 0.0, "seed": 0,
    },
    "memory_bank": {"distance": "euclidean", "coreset_ratio": 1.0, "light_copies": 0, "turned_copies": 0, "seed": 0},
    "scoring": {
        "detector": "memory_bank",
        "scorer": "ldknn",
        "max_neighbors": 15, "n_neighbors": 5, "alpha": 1.0, "form": "ratio",
        "image_score": "max", "top_patches": 10, "top_share": 0.03, "quantile": 0.99,
        "area_threshold": None, "normalization": "none", "zones": None, "global_branch": "none", "anomaly_map": "score",
        "smoothing_sigma": 4.0,
    },
    "feature_reconstruction": {
        "layers": None, "loss": "squared", "fusion": "sum", "updates": 9, "batch_size": 4,
        "learning_rate": 0.01, "seed": 0,
    },
    "pixel_reconstruction": {
        "loss": "l2", "image_size": 64, "updates": 9, "batch_size": 4, "learning_rate": 0.01, "seed": 0,
    },
    "calibration": {"false_alarm_rate": 0.05, "folder": None},
    "detection_probability": {
        "enabled": False, "draws": 100, "shortest": 0.02, "longest": 0.3, "contrasts": [20.0, 40.0],
        "pixel_size_mm": None, "seed": 0,
    },
    "packaging": {"allow_undecided": False},
    "inspection": {"input": None, "engine": "onnxruntime", "allow_undecided": False},
    "bank_update": {"add": None, "forget": []},
    "drift": {"last": 500, "window": 50},
    "evaluation": {
        "pro_fpr_limit": 0.3, "spro_fpr_limit": 0.05, "pixel_resolution": "image", "examples_per_kind": 3,
    },
    "summary": {"textures": ["wood"]},
    "compare": {"runs": []},
    "studies": {
        "benchmark": "mvtec_ad", "start": {"alpha": 1.0}, "representation_defects": {"cutpaste": {"shapes": ["rect"]}},
        **dict.fromkeys(STUDIES, STUDY),
    },
    "selection": {"grids": [{"alpha": [1.0]}], "oracle_grids": [], "max_neighbors": 15},
}  # fmt: skip


def changed(section: str, **values: Any) -> dict[str, Any]:
    raw = deepcopy(RAW)
    raw[section] |= values
    return raw


def test_every_category_gets_every_section() -> None:
    expanded = expand_parameters(RAW, ["screw", "wood"])
    sections = {section: RAW[section] for section in CATEGORY_SECTIONS}
    assert expanded["screw"] == sections | {"category": "screw"}
    assert expanded["wood"] == sections | {"category": "wood"}
    assert expanded.keys() == {"screw", "wood", *(RAW.keys() - CATEGORY_SECTIONS.keys())}
    assert expanded["summary"] == RAW["summary"]
    assert expanded["seed"] == 0


def test_a_category_s_own_values_come_on_top() -> None:
    own = {"wood": {"n_neighbors": 9, "alpha": 0.5}, "screw": None}
    raw = changed("scoring", per_category=own)
    before = deepcopy(raw)
    expanded = expand_parameters(raw, ["screw", "wood"])
    assert expanded["screw"]["scoring"] == RAW["scoring"]
    assert expanded["wood"]["scoring"] == RAW["scoring"] | own["wood"]
    assert raw == before


def test_a_category_may_change_one_number_of_a_budget() -> None:
    raw = changed("ssl_finetune", per_category={"wood": {"demo": {"updates": 5}}})
    expanded = expand_parameters(raw, ["screw", "wood"])
    assert expanded["screw"]["ssl_finetune"]["demo"] == BUDGET
    assert expanded["wood"]["ssl_finetune"]["demo"] == BUDGET | {"updates": 5}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({**RAW, "scorin": {}}, r"Parameter section 'scorin' is unknown: did you mean 'scoring'\?"),
        ({**RAW, "xyz": {}}, "section 'xyz' is unknown: known are ingestion, features, .*seed"),
        (
            changed("scoring", n_neighbours=3),
            r"of section scoring 'n_neighbours' is unknown: did you mean 'n_neighbors'\?",
        ),
        (
            changed("scoring", per_category={"wod": {"alpha": 2.0}}),
            r"Category of scoring.per_category 'wod' is unknown: did you mean 'wood'\?",
        ),
        (
            changed("scoring", per_category={"wood": {"alfa": 2.0}}),
            r"of section scoring 'alfa' is unknown: did you mean 'alpha'\?",
        ),
        (
            {**RAW, "categories": "screw"},
            r"^Parameter categories = 'screw' cannot be used: .*run some of screw, wood by --namespaces\.$",
        ),
        (changed("summary", texture=[]), r"'texture' is unknown: did you mean 'textures'\?"),
        (
            changed("features", image_size=-1),
            r"features.image_size cannot be used: .* side of a square or .* from 32 .* \(given: -1\)\.$",
        ),
        (
            changed("features", neck="long"),
            r"features.neck cannot be used: Input should be 'combined', 'reference' or 'paper' \(given: 'long'\)",
        ),
        (
            changed("memory_bank", coreset_ratio=0),
            r"memory_bank.coreset_ratio cannot be used: Input should be greater than 0",
        ),
        (
            changed("scoring", per_category={"wood": {"alpha": "much"}}),
            r"scoring.alpha cannot be used: .* number from 0 to 1000000, or auto \(given: 'much'\)\.$",
        ),
        (
            changed("scoring", alpha=-0.5),
            r"scoring.alpha cannot be used: .* number from 0 to 1000000, or auto \(given: -0.5\)\.$",
        ),
        (
            changed("scoring", n_neighbors=16),
            r"scoring cannot be used: n_neighbors = 16 is above max_neighbors = 15: raise max_neighbors\.$",
        ),
        (
            changed("scoring", scorer="ldof", n_neighbors=1),
            r"scoring cannot be used: scorer = ldof needs n_neighbors of at least 2\.$",
        ),
        (
            changed("scoring", image_score="thresholded_area"),
            r"scoring cannot be used: image_score = thresholded_area needs area_threshold, the",
        ),
        (
            changed("scoring", image_score="reweighted"),
            r"image_score = reweighted needs scorer = nearest and n_neighbors of at least 2\.$",
        ),
        (
            changed("scoring", image_score="reweighted", scorer="nearest", n_neighbors=1),
            r"image_score = reweighted needs scorer = nearest and n_neighbors of at least 2\.$",
        ),
        (
            changed("studies", arm={}),
            r"Parameter of section studies 'arm' is unknown: did you mean 'arms'\?",
        ),
        (
            changed("studies", arms={**STUDY, "grids": [{"alfa": [1.0]}]}),
            r"studies.arms cannot be used: alfa is no setting of a study; known are backbone, .*pixel_loss\.$",
        ),
        (
            changed("studies", alpha={**STUDY, "reference": {"K": 1}}),
            r"studies.alpha cannot be used: K is no setting of a study; known are backbone, ",
        ),
        (
            changed("studies", few_shot={**STUDY, "published_tables": ["8"]}),
            r"studies.few_shot.published_tables.0 cannot be used: Input should .* \(given: '8'\)\.$",
        ),
        (
            changed("studies", detectors={**STUDY, "grids": [{"alpha": 1.0}]}),
            r"studies.detectors.grids.0.alpha cannot be used: Input should be a valid list \(given: 1",
        ),
        (
            changed("selection", max_neighbors=0),
            r"selection.max_neighbors cannot be used: .*\(given: 0\)\.$",
        ),
        (
            changed("selection", grids=[{"detector": ["ldknn", "padim"]}]),
            r"^Parameter selection cannot be used: the grids name the detector padim, which no pipeline runs: choose "
            r"between ldknn, .*, feature_reconstruction, .*, hybrid\.$",
        ),
        *(
            (
                changed("selection", grids=[{"detector": ["ldknn"], name: [value]}]),
                rf"selection cannot be used: the grids name {name}, which is not chosen: set it for all",
            )
            for name, value in (("backbone", "resnet18"), ("shots", 5), ("seed", 1))
        ),
        (
            changed("selection", grids=[{"representation": ["imagenet", "cutpaste"]}]),
            r"selection cannot be used: the grids name the representation cutpaste: choose between imagenet and",
        ),
        (
            changed("selection", oracle_grids=[{"K": [1]}]),
            r"selection cannot be used: K is no setting of a study; known are backbone, ",
        ),
        (
            {**RAW, "evaluation": {"pro_fpr_limit": 0.3, "pixel_resolution": "image"}},
            r"evaluation.spro_fpr_limit cannot be used: Field required\.$",
        ),
        ({**RAW, "scoring": 5}, r"scoring cannot be used: it must hold names .* \(given: 5\)"),
        ({**RAW, "summary": ["wood"]}, r"summary cannot be used: it must hold names"),
        (changed("scoring", per_category=["wood"]), r"scoring.per_category cannot be used"),
        (changed("scoring", per_category={"wood": 9}), r"scoring.per_category.wood cannot be used"),
    ],
)
def test_what_cannot_be_used_says_so(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand_parameters(raw, ["screw", "wood"])


@pytest.mark.parametrize("detector", RUN_BY_PIPELINES)
def test_a_detector_that_a_pipeline_runs_can_be_a_candidate(detector: str) -> None:
    expand_parameters(changed("selection", grids=[{"detector": [detector]}]), ["screw"])


def test_a_detector_that_no_pipeline_runs_can_be_compared() -> None:
    """By a study, and by the oracle, from which nothing is chosen."""
    for detector in {*DETECTORS} - {*RUN_BY_PIPELINES}:
        grids = [{"detector": [detector]}]
        expand_parameters(changed("selection", oracle_grids=grids), ["screw"])
        expand_parameters(changed("studies", arms={**STUDY, "grids": grids}), ["screw"])


def test_names_are_those_of_the_libraries() -> None:
    """Of registries that take seconds to import; the other settings read theirs."""

    def names(model: type[Settings], field: str) -> set[str]:
        annotation = model.model_fields[field].annotation
        (listed,) = get_args(annotation) if get_origin(annotation) is list else (annotation,)
        return set(get_args(listed))

    assert set(RUN_BY_PIPELINES) == {*SCORERS, "feature_reconstruction", "hybrid", *PIXEL_MODELS}
    assert names(FeatureSettings, "engine") == {AUTO, *ENGINES}
    assert names(FeatureSettings, "neck") == set(NECKS)
    assert names(DefectSynthesisSettings, "saliency") == set(SALIENCY)
    assert names(DefectSynthesisSettings, "shapes") == set(SHAPES)
    assert names(DefectSynthesisSettings, "fills") == set(FILLS)
    assert names(SSLFinetuneSettings, "loss") == set(LOSSES)
    assert names(FeatureReconstructionSettings, "loss") == set(FEATURE_LOSSES)
    assert names(PixelReconstructionSettings, "loss") == set(PIXEL_LOSSES)


@pytest.mark.parametrize("section", [*CATEGORY_SECTIONS, *SHARED_SECTIONS])
def test_values_are_in_the_yaml_alone(section: str) -> None:
    for name in RAW[section]:
        raw = deepcopy(RAW)
        del raw[section][name]
        with pytest.raises(
            InputError, match=rf"^Parameter {section}.{name} cannot be used: Field required\.$"
        ):
            expand_parameters(raw, ["screw"])
    with pytest.raises(InputError, match=rf"^Parameter {section}\.\w+ cannot be used: Field requ"):
        expand_parameters({**RAW, section: None}, ["screw"])


def test_budgets_are_in_the_yaml_alone() -> None:
    raw = changed("ssl_finetune", demo={"updates": 5})
    with pytest.raises(
        InputError, match=r"ssl_finetune.demo.image_size cannot be used: Field requ"
    ):
        expand_parameters(raw, ["screw"])


def test_defaults_are_those_of_the_base_environment() -> None:
    loader = ProjectConfigLoader(str(CONF), env="base", **LOADER_ARGS)
    for section in ("defect_synthesis", "ssl_finetune", "detection_probability"):
        model = CATEGORY_SECTIONS[section]
        for category in loader.categories:
            values = loader["parameters"][category][section]
            assert model.model_validate(values) == model()


def test_engine_and_tiles_decide_the_features() -> None:
    whole = FeatureSettings(**RAW["features"])
    assert whole.network_size == 256
    tiled = FeatureSettings(**RAW["features"] | {"image_size": 512, "tile_size": 128})
    assert tiled.network_size == 128
    weights = BackboneWeights({}, {"backbone": tiled.backbone, "weights": tiled.weights})
    settings = tiled.provenance(weights)
    assert settings["engine"] == "auto"
    assert (settings["tile_size"], settings["tile_overlap"]) == (128, 64)
    assert "batch_size" not in settings


@pytest.mark.parametrize(("given", "meant"), [("auto", "auto"), (0, 0.0), ("0.5", 0.5)])
def test_alpha_is_a_number_or_auto(given: Any, meant: float | str) -> None:
    scoring = expand_parameters(changed("scoring", alpha=given), ["screw"])["screw"]["scoring"]
    assert ScoringSettings(**scoring).alpha == meant


def test_grids_become_configurations() -> None:
    studies = StudiesParams(**expand_parameters(RAW, ["screw"])["studies"])
    defaults = dict.fromkeys(CONFIGURATION_FIELDS) | {
        "detector": "ldknn",
        "n_neighbors": 3,
        "alpha": 1.0,
    }
    configurations = studies.arms.configurations(defaults)
    settings = [
        (configuration.detector, configuration.n_neighbors, configuration.alpha)
        for configuration in configurations
    ]
    assert settings == [
        ("nearest", 1, 1.0), ("nearest", 5, 1.0), ("ldknn", 3, 0.0), ("ldknn", 3, "auto")
    ]  # fmt: skip


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_environments_of_the_project_expand(env: str) -> None:
    loader = ProjectConfigLoader(str(CONF), env=env, **LOADER_ARGS)
    parameters = loader["parameters"]
    for category in loader.categories:
        assert parameters[category].keys() == {*CATEGORY_SECTIONS, "category"}
        for section, model in CATEGORY_SECTIONS.items():
            model.model_validate(parameters[category][section])


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_learning_rates_of_the_reference_code_come_with_its_loss(env: str) -> None:
    loader = ProjectConfigLoader(str(CONF), env=env, **LOADER_ARGS)
    for category in loader.categories:
        finetuning = SSLFinetuneSettings(**loader["parameters"][category]["ssl_finetune"])
        assert finetuning.training.loss == (
            "sigmoid" if finetuning.budget == "paper" else "cross_entropy"
        )


def test_categories_must_be_names(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    for text in (
        "categories: []",
        "categories: [1]",
        "categories: {bolt: nut}",
        "categories: 7",
        "other: 1",
    ):
        (tmp_path / "base/globals.yml").write_text(text)
        loader = ProjectConfigLoader(str(tmp_path), env="base", **LOADER_ARGS)
        with pytest.raises(InputError, match="of environment 'base' cannot be used: list at least"):
            _ = loader.categories


def test_parameters_are_read_once_and_are_the_caller_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = ProjectConfigLoader(str(CONF), env="elpv", **LOADER_ARGS)
    first, category = loader["parameters"], loader.categories[0]
    changed = first[category]["scoring"]["alpha"]
    first[category]["scoring"]["alpha"] = "changed"
    monkeypatch.setattr(OmegaConf, "load", None)
    assert loader["parameters"][category]["scoring"]["alpha"] == changed
    monkeypatch.undo()
    loader.runtime_params = {"scoring": {"alpha": 0.125}}
    assert loader["parameters"][category]["scoring"]["alpha"] == 0.125


@pytest.mark.parametrize("name", ["studies", "seed"])
def test_a_category_is_no_name_of_parameters_of_all(tmp_path: Path, name: str) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/globals.yml").write_text(f"categories: [screw, {name}]")
    loader = ProjectConfigLoader(str(tmp_path), env="base", **LOADER_ARGS)
    with pytest.raises(InputError, match=f"'{name}' of environment 'base' cannot be used: param"):
        _ = loader.categories


def test_one_category_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/globals.yml").write_text("categories: bolt")
    loader = ProjectConfigLoader(str(tmp_path), env="base", **LOADER_ARGS)
    assert loader.categories == ["bolt"]
    (tmp_path / "base/globals.yml").unlink()
    assert loader.categories == ["bolt"]  # read once, as each pipeline asks for them


def test_a_category_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/globals.yml").write_text("categories: [bolt, nut, bolt]")
    loader = ProjectConfigLoader(str(tmp_path), env="base", **LOADER_ARGS)
    with pytest.raises(InputError, match="'bolt' of environment 'base' is listed more than once"):
        _ = loader.categories


@pytest.mark.parametrize("environment", ["mvtec_ad", "mvtec_loco", "btad"])
def test_environments_of_the_paper_measure_pixels_as_its_reference_code(environment):
    conf = Path(__file__).parents[2] / "conf"
    base, own = (
        yaml.safe_load((conf / name / "parameters.yml").read_text())
        for name in ("base", environment)
    )
    assert base["evaluation"]["pixel_resolution"] == "image"
    assert own["evaluation"]["pixel_resolution"] == "map"
