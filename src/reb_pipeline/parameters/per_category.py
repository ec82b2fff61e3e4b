"""From the YAML's parameters to those of each category, checked."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from omegaconf import OmegaConf
from pydantic import ValidationError

from reb_pipeline.core.errors import InputError, insist_known
from reb_pipeline.parameters.sections import (
    BankUpdateParams,
    CalibrationParams,
    ComputeParams,
    DefectSynthesisParams,
    DriftParams,
    EvaluationParams,
    FeatureParams,
    FeatureReconstructionParams,
    IngestionParams,
    InspectionParams,
    MemoryBankParams,
    PixelReconstructionParams,
    ScoringParams,
    Section,
    SSLFinetuneParams,
    SummaryParams,
)
from reb_pipeline.parameters.studies import SelectionParams, StudiesParams

PER_CATEGORY = "per_category"
CATEGORY_SECTIONS: dict[str, type[Section]] = {
    "ingestion": IngestionParams,
    "features": FeatureParams,
    "defect_synthesis": DefectSynthesisParams,
    "ssl_finetune": SSLFinetuneParams,
    "memory_bank": MemoryBankParams,
    "scoring": ScoringParams,
    "feature_reconstruction": FeatureReconstructionParams,
    "pixel_reconstruction": PixelReconstructionParams,
    "calibration": CalibrationParams,
    "evaluation": EvaluationParams,
    "bank_update": BankUpdateParams,
    "drift": DriftParams,
    "inspection": InspectionParams,
}
SHARED_SECTIONS: dict[str, type[Section]] = {
    "compute": ComputeParams,
    "summary": SummaryParams,
    "studies": StudiesParams,
    "selection": SelectionParams,
}
FREE_NAMES = ("seed", "data_root", "output_root")  # read by the YAML itself


def expand_parameters(raw: dict[str, Any], categories: Iterable[str]) -> dict[str, Any]:
    """Check all parameters and give each category its own copy of each section.

    Args:
        raw: The merged YAML and ``--params``.
        categories: The categories of the environment.

    Returns:
        ``{section: {category: {name: value}}}`` for the sections of a category; the others as they are.

    Raises:
        InputError: In one sentence, for the first section, name, value or category that cannot be used.
    """
    categories = list(categories)
    insist_known(raw, [*CATEGORY_SECTIONS, *SHARED_SECTIONS, *FREE_NAMES], "Parameter section")
    expanded = dict(raw)
    for section, model in SHARED_SECTIONS.items():
        _validate(model, _mapping(raw.get(section), section), section)
    for section, model in CATEGORY_SECTIONS.items():
        defaults = _mapping(raw.get(section), section)
        per_category = f"{section}.{PER_CATEGORY}"
        overrides = _mapping(defaults.pop(PER_CATEGORY, None), per_category)
        insist_known(overrides, categories, f"Category of {per_category}")
        expanded[section] = {}
        for category in categories:
            own = _mapping(overrides.get(category), f"{per_category}.{category}")
            values = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.merge(defaults, own)))
            _validate(model, values, section)
            expanded[section][category] = values
    return expanded


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping | None):
        msg = f"Parameter {name} cannot be used: it must hold names and values (given: {value!r})."
        raise InputError(msg)
    return dict(value or {})


def _validate(model: type[Section], values: dict[str, Any], section: str) -> None:
    insist_known(values, [*model.model_fields, PER_CATEGORY], f"Parameter of section {section}")
    try:
        model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join([section, *(str(part) for part in first["loc"])])
        reason = first["msg"].removeprefix("Value error, ")
        given = "" if isinstance(first["input"], dict) else f" (given: {first['input']!r})"
        msg = f"Parameter {name} cannot be used: {reason}{given}."
        raise InputError(msg) from None
