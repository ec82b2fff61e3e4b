"""Typed parameters: one model a section of ``conf/*/parameters.yml``.

Every section of :data:`CATEGORY_SECTIONS` reaches the nodes as ``params:<section>.<category>``: its defaults with the
category's own values, given under ``per_category``, on top.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reb_pipeline.errors import InputError, insist_known

if TYPE_CHECKING:
    from reb_pipeline.defectmaker.fills import TextureFolder
    from reb_pipeline.defectmaker.maker import DefectKind
    from reb_pipeline.features.adapted import BackboneWeights

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

    def extractor_settings(self, backbone: "BackboneWeights | None" = None) -> dict[str, Any]:
        """Everything that decides the features: the arguments of ``PatchExtractor``.

        Args:
            backbone: The category's weights; the initial ones without it.

        Raises:
            InputError: If the category's weights were made from other ones.
        """
        settings = self.model_dump(exclude={"batch_size"})
        if backbone is None:
            return settings
        backbone.insist_on(self.backbone, self.weights)
        return {**settings, "weights": backbone.state}

    def provenance(self, backbone: "BackboneWeights") -> dict[str, Any]:
        """The same as JSON values: a hash in the place of the weights."""
        return {**self.extractor_settings(), "weights": backbone.fingerprint}


class MemoryBankParams(Section):
    """How much of the good images' features the search compares with."""

    coreset_ratio: float = Field(gt=0, le=1)
    seed: int


class DefectSynthesisParams(Section):
    """Which synthetic defects are drawn, and where."""

    saliency: Literal["whole_image", "spectral_residual", "grabcut", "onnx", "folder"]
    saliency_source: str | None
    shapes: list[Literal["bezier", "bezier_scar", "bezier_clump", "rect", "rect_scar", "perlin"]]
    fills: list[Literal["cut_paste", "noise", "texture"]]
    texture_folder: str | None
    per_kind: int = Field(ge=1)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _sources_given(self) -> "DefectSynthesisParams":
        if self.saliency in ("onnx", "folder") and not self.saliency_source:
            msg = f"saliency = {self.saliency} needs saliency_source, the path of the model or of the maps"
            raise ValueError(msg)
        if "texture" in self.fills and not self.texture_folder:
            msg = "the fill texture needs texture_folder, a folder of images"
            raise ValueError(msg)
        if not self.shapes or not self.fills:
            msg = "shapes and fills need at least one name each"
            raise ValueError(msg)
        return self

    def kinds(self) -> list["DefectKind"]:
        """Every shape with every fill, in the order of their labels."""
        from reb_pipeline.defectmaker.maker import DefectKind

        return [DefectKind(shape, fill) for fill in self.fills for shape in self.shapes]

    def textures(self) -> "TextureFolder | None":
        """What the fill ``texture`` cuts from."""
        from reb_pipeline.defectmaker.fills import TextureFolder

        return TextureFolder(self.texture_folder) if self.texture_folder else None


class FinetuneBudget(Section):
    """How much fine-tuning is done."""

    updates: int = Field(ge=1)
    image_size: int = Field(ge=32)
    images_per_pass: int = Field(ge=1)
    passes_per_update: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    backbone_learning_rate: float = Field(gt=0)
    freeze_updates: int = Field(ge=0)
    frozen_depth: float = Field(ge=0, le=1)
    freeze_batch_norm: bool


class SSLFinetuneParams(Section):
    """How the backbone is adapted to the category."""

    enabled: bool
    budget: Literal["paper", "small", "demo"]
    paper: FinetuneBudget
    small: FinetuneBudget
    demo: FinetuneBudget
    loss: Literal["cross_entropy", "sigmoid"]
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    seed: int = Field(ge=0)

    @property
    def chosen(self) -> FinetuneBudget:
        """The budget that ``budget`` names."""
        chosen: FinetuneBudget = getattr(self, self.budget)
        return chosen

    def settings(self) -> dict[str, Any]:
        """Everything that decides the training: the arguments of ``FinetuneSettings``."""
        shared = {"loss", "momentum", "weight_decay", "seed"}
        return self.model_dump(include=shared) | self.chosen.model_dump(exclude={"image_size"})


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
    "defect_synthesis": DefectSynthesisParams,
    "ssl_finetune": SSLFinetuneParams,
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
