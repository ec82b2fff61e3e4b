"""Typed parameters: one model a section of ``conf/*/parameters.yml``.

Every section of :data:`CATEGORY_SECTIONS` reaches the nodes as ``params:<section>.<category>``: its defaults with the
category's own values, given under ``per_category``, on top.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reb_pipeline.errors import InputError, insist_known

PER_CATEGORY = "per_category"


class Section(BaseModel):
    """A section of the parameters; unknown names are errors, so that a typo never passes silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IngestionParams(Section):
    """How raw images become a table of samples."""

    max_unreadable_share: float = Field(ge=0, le=1)  # more unreadable images than this stop the run


class FeatureParams(Section):
    """How an image becomes a grid of patch features."""

    backbone: str
    weights: str
    layers: list[str | int] | None
    image_size: int = Field(ge=32)
    neck: Literal["reference", "paper"]
    width: int | None = Field(ge=1)
    batch_size: int = Field(ge=1)

    def extractor_settings(self) -> dict[str, Any]:
        """Everything that decides the features: the arguments of ``PatchExtractor``."""
        return self.model_dump(exclude={"batch_size"})


class MemoryBankParams(Section):
    """How much of the good images' features the search compares with."""

    coreset_ratio: float = Field(gt=0, le=1)
    seed: int


class LDKNNParams(Section):
    """How a patch is scored, and an image."""

    max_neighbors: int = Field(ge=1)
    n_neighbors: int = Field(ge=1)
    alpha: float = Field(ge=0)
    form: Literal["subtract_squared", "subtract", "ratio"]
    image_score: Literal["max", "block_max"]
    smoothing_sigma: float = Field(ge=0)

    @model_validator(mode="after")
    def _k_within_k_max(self) -> "LDKNNParams":
        if self.n_neighbors > self.max_neighbors:
            msg = f"n_neighbors = {self.n_neighbors} is above max_neighbors = {self.max_neighbors}: raise max_neighbors"
            raise ValueError(msg)
        return self


class EvaluationParams(Section):
    """How verdicts are compared with the truth."""

    pro_fpr_limit: float = Field(gt=0, le=1)
    spro_fpr_limit: float = Field(gt=0, le=1)
    examples_per_kind: int = Field(ge=1)


class SummaryParams(Section):
    """How categories are averaged."""

    textures: list[str]


CATEGORY_SECTIONS: dict[str, type[Section]] = {
    "ingestion": IngestionParams,
    "features": FeatureParams,
    "memory_bank": MemoryBankParams,
    "ldknn": LDKNNParams,
    "evaluation": EvaluationParams,
}
SHARED_SECTIONS: dict[str, type[Section]] = {"summary": SummaryParams}
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
            values = {**defaults, **own}
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
