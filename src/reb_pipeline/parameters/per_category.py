"""Parameters of each category: presets applied, expanded from the YAML and checked."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from omegaconf import OmegaConf

from reb_pipeline.calibration.photos import check_calibration
from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.settings import SEEDS, Settings, validated
from reb_pipeline.defectmaker.settings import (
    DefectSynthesisSettings,
    DetectionProbabilitySettings,
    LogicalSetSettings,
)
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import (
    BankUpdateParams,
    CalibrationParams,
    ComparisonParams,
    ComputeParams,
    DriftParams,
    EvaluationParams,
    IngestionParams,
    InspectionParams,
    PackagingParams,
    SummaryParams,
)
from reb_pipeline.parameters.studies import SelectionParams, StudiesParams
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.settings import ScoringSettings

PER_CATEGORY = "per_category"
CATEGORY_SECTIONS: dict[str, type[Settings]] = {
    "ingestion": IngestionParams,
    "features": FeatureSettings,
    "defect_synthesis": DefectSynthesisSettings,
    "logical_set": LogicalSetSettings,
    "ssl_finetune": SSLFinetuneSettings,
    "memory_bank": MemoryBankSettings,
    "scoring": ScoringSettings,
    "feature_reconstruction": FeatureReconstructionSettings,
    "pixel_reconstruction": PixelReconstructionSettings,
    "calibration": CalibrationParams,
    "detection_probability": DetectionProbabilitySettings,
    "evaluation": EvaluationParams,
    "packaging": PackagingParams,
    "bank_update": BankUpdateParams,
    "drift": DriftParams,
    "inspection": InspectionParams,
}
SHARED_SECTIONS: dict[str, type[Settings]] = {
    "compute": ComputeParams,
    "summary": SummaryParams,
    "compare": ComparisonParams,
    "studies": StudiesParams,
    "selection": SelectionParams,
}
PRESET_NAMES = ("preset", "presets")
FREE_NAMES = ("seed", "data_root", "output_root", "split", *PRESET_NAMES)  # used within the YAML
# Parameters that a command or a pipeline gives, or that are newer; any environment may leave them out.
OPTIONAL = (
    "calibration.chosen_by_selection",
    "calibration.doubtful_rate",
    "bank_update.false_alarm_rate",
    "bank_update.doubtful_rate",
    "ingestion.leave_out",
    "ingestion.pose",
    "ingestion.golden",
    "ingestion.channels",
    "features.keep_aspect",
    "packaging.good_images",  # not in run folders of former versions
)
SPLIT_NAMES = ("test", "calibration", "seed", "group_by")


def merged(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested values, the second ones last.

    Example:
        >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
    """
    both = dict(defaults)
    for name, value in values.items():
        inner: Any = both.get(name)
        is_nested = isinstance(inner, Mapping) and isinstance(value, Mapping)
        both[name] = merged(inner, value) if is_nested else value
    return both


def apply_preset(parameters: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the chosen preset into the parameters.

    Args:
        parameters: Parameters of the YAML and the command, with ``preset``, a name or None, and ``presets``.
        given: Parameters of the command alone, which stand above the preset.

    Returns:
        The parameters without ``preset`` and ``presets``.

    Raises:
        InputError: If no preset has this name, or it holds anything else than sections with values.

    Example:
        >>> presets = {"accurate": {"features": {"image_size": 320}}}
        >>> values = {"features": {"image_size": 256}, "preset": "accurate", "presets": presets}
        >>> apply_preset(values, {})
        {'features': {'image_size': 320}}
    """
    presets = parameters.get("presets") or {}
    name = parameters.get("preset")
    kept = {key: value for key, value in parameters.items() if key not in PRESET_NAMES}
    if name is None:
        return kept
    presets = _mapping(presets, "presets")
    check_known([name], list(presets), "Preset")
    preset = _mapping(presets[name], f"presets.{name}")
    check_known(preset, [*CATEGORY_SECTIONS, *SHARED_SECTIONS], f"Section of presets.{name}")
    for section, values in preset.items():
        _mapping(values, f"presets.{name}.{section}")
    above = {key: value for key, value in given.items() if key in kept}
    return merged(merged(kept, preset), above)


def expand_parameters(raw: dict[str, Any], categories: Iterable[str]) -> dict[str, Any]:
    """Check all parameters and give each category its own copy of each section.

    Args:
        raw: Parameters merged from the YAML and ``--params``.
        categories: The categories of the environment.

    Returns:
        ``{category: {section: {name: value}}}`` for the sections of a category, with its name as ``category``; other
        sections unchanged.

    Raises:
        InputError: For the first section, name, value or category that cannot be used, in one sentence.
    """
    categories = list(categories)
    if "categories" in raw:
        msg = (
            f"Parameter categories = {raw['categories']!r} cannot be used: list categories in globals.yml of an "
            f"environment, or run some of {', '.join(categories)} by --namespaces."
        )
        raise InputError(msg)
    check_known(raw, [*CATEGORY_SECTIONS, *SHARED_SECTIONS, *FREE_NAMES], "Parameter section")
    split = _mapping(raw.get("split"), "split")
    check_known(split, SPLIT_NAMES, "Parameter of section split")
    for name, value in split.items():
        if isinstance(value, float) and not math.isfinite(value):
            msg = f"Parameter split.{name} cannot be used: it must be a finite number (given: {value})."
            raise InputError(msg)
    check_calibration(split.get("calibration", 0))
    _check_seed(raw.get("seed", 0))
    shared = {name: raw[name] for name in (*SHARED_SECTIONS, *FREE_NAMES) if name in raw}
    own_sections: dict[str, Any] = {category: {"category": category} for category in categories}
    for section, model in SHARED_SECTIONS.items():
        _validate(model, _mapping(raw.get(section), section), section)
    for section, model in CATEGORY_SECTIONS.items():
        defaults = _mapping(raw.get(section), section)
        per_category = f"{section}.{PER_CATEGORY}"
        overrides = _mapping(defaults.pop(PER_CATEGORY, None), per_category)
        check_known(overrides, categories, f"Category of {per_category}")
        for category in categories:
            own = _mapping(overrides.get(category), f"{per_category}.{category}")
            values = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.merge(defaults, own)))
            _validate(model, values, section)
            own_sections[category][section] = values
    return shared | own_sections


def _check_seed(seed: Any) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS:
        msg = f"Parameter seed cannot be used: it must be a whole number from 0 to {SEEDS - 1} (given: {seed!r})."
        raise InputError(msg)


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping | None):
        msg = f"Parameter {name} cannot be used: it must hold names and values (given: {value!r})."
        raise InputError(msg)
    return dict(value or {})


def _validate(model: type[Settings], values: dict[str, Any], section: str) -> None:
    check_known(values, [*model.model_fields, PER_CATEGORY], f"Parameter of section {section}")
    for name in model.model_fields:  # a run uses no defaults: the YAML has all values
        if name not in values and f"{section}.{name}" not in OPTIONAL:
            msg = f"Parameter {section}.{name} cannot be used: Field required."
            raise InputError(msg)
    validated(model, values, f"Parameter {section}")
