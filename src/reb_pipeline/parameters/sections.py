"""Typed parameters: one model a section of ``conf/*/parameters.yml``.

A category's own copy of a section reaches the nodes as ``params:<section>.<category>``: its defaults with the
category's own values, given under ``per_category``, on top; see :mod:`reb_pipeline.parameters.per_category`.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from reb_pipeline.defectmaker.fills import TextureFolder
    from reb_pipeline.defectmaker.maker import DefectKind
    from reb_pipeline.features.adapted import BackboneWeights
    from reb_pipeline.scoring.image_scores import ImageScoreSettings
    from reb_pipeline.scoring.patch_scores import Neighborhoods


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
    engine: Literal["torch", "openvino", "openvino_bf16"]
    tile_size: int | None = Field(ge=32)
    tile_overlap: int = Field(ge=0)
    batch_size: int = Field(ge=1)

    @property
    def network_size(self) -> int:
        """Side in pixels of what the network sees: the image, or a tile of it."""
        return min(self.tile_size or self.image_size, self.image_size)

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
    """How much of the good images' features the search compares with, and by which distance."""

    distance: Literal["euclidean", "cosine", "mahalanobis"]
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


class ScoringParams(Section):
    """How a patch is scored, and an image."""

    scorer: Literal["ldknn", "nearest", "knn", "kth_nn", "lof", "lof_reference", "ldof"]
    max_neighbors: int = Field(ge=1)
    n_neighbors: int = Field(ge=1)
    alpha: Annotated[float, Field(ge=0)] | Literal["auto"]
    form: Literal["subtract_squared", "subtract", "ratio"]
    image_score: Literal[
        "block_max", "max", "top_k_mean", "quantile", "average", "thresholded_area", "reweighted"
    ]
    top_patches: int = Field(ge=1)
    quantile: float = Field(ge=0, le=1)
    area_threshold: float | None
    smoothing_sigma: float = Field(ge=0)

    @field_validator("alpha", mode="wrap")
    @classmethod
    def _number_or_auto(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:  # one for each kind of value, where the user needs one sentence
            msg = "Input should be a number of at least 0, or auto"
            raise ValueError(msg) from None

    @model_validator(mode="after")
    def _k_fits(self) -> "ScoringParams":
        from reb_pipeline.scoring.patch_scores import SCORERS

        fewest = SCORERS[self.scorer].min_neighbors
        if self.n_neighbors < fewest:
            msg = f"scorer = {self.scorer} needs n_neighbors of at least {fewest}"
            raise ValueError(msg)
        if self.n_neighbors > self.max_neighbors:
            msg = f"n_neighbors = {self.n_neighbors} is above max_neighbors = {self.max_neighbors}: raise max_neighbors"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _image_score_can_be_made(self) -> "ScoringParams":
        if self.image_score == "thresholded_area" and self.area_threshold is None:
            msg = (
                "image_score = thresholded_area needs area_threshold, the patch score to count from"
            )
            raise ValueError(msg)
        if self.image_score == "reweighted" and (self.scorer != "nearest" or self.n_neighbors < 2):
            msg = "image_score = reweighted needs scorer = nearest and n_neighbors of at least 2"
            raise ValueError(msg)
        return self

    def judge(self, found: "Neighborhoods", alpha: float) -> "tuple[np.ndarray, np.ndarray]":
        """Score patches, and images by them: the one way for test, calibration and new images.

        Args:
            found: The neighbours of the patches.
            alpha: As a number.

        Returns:
            Patch scores, float32 [images, h, w], and image scores, float32 [images].

        Raises:
            InputError: If the patches were not searched deep enough.
        """
        from reb_pipeline.scoring.image_scores import judge

        return judge(
            found,
            self.scorer,
            self.image_score,
            n_neighbors=self.n_neighbors,
            alpha=alpha,
            form=self.form,
            settings=self.image_score_settings(),
        )

    def image_score_settings(self) -> "ImageScoreSettings":
        """What single image scores need."""
        from reb_pipeline.scoring.image_scores import ImageScoreSettings

        return ImageScoreSettings(self.top_patches, self.quantile, self.area_threshold)


class TrainingParams(Section):
    """How a network that reconstructs good images is trained."""

    updates: int = Field(ge=1)
    batch_size: int = Field(ge=2)  # batch norm needs two values
    learning_rate: float = Field(gt=0)
    seed: int = Field(ge=0)

    def settings(self) -> dict[str, Any]:
        """The arguments of ``ReconstructionSettings``."""
        return self.model_dump(include=set(TrainingParams.model_fields))


class FeatureReconstructionParams(TrainingParams):
    """How features are reconstructed, and compared with the encoder's."""

    layers: list[str | int] | None
    loss: Literal["squared", "cosine"]
    fusion: Literal["sum", "product"]


class PixelReconstructionParams(TrainingParams):
    """How images are reconstructed, and compared with themselves."""

    loss: Literal["l2", "ssim"]
    image_size: int = Field(ge=32, multiple_of=8)  # pixels; halved three times


class CalibrationParams(Section):
    """From which good images, and for which false-alarm rate, thresholds are taken."""

    false_alarm_rate: float = Field(gt=0, lt=1)  # share of good parts that may be flagged
    folder: str | None  # of good images that the bank has not seen; null takes the held-out ones


class EvaluationParams(Section):
    """How verdicts are compared with the truth."""

    pro_fpr_limit: float = Field(gt=0, le=1)
    spro_fpr_limit: float = Field(gt=0, le=1)
    examples_per_kind: int = Field(ge=1)


class BankUpdateParams(Section):
    """Which good images a memory bank gains and loses."""

    add: str | None  # folder of good images
    forget: list[str]  # ids of good training images, or patterns of them

    @field_validator("forget", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class DriftParams(Section):
    """Which parts are compared with the calibration."""

    last: int = Field(ge=1)  # parts
    window: int = Field(ge=1)  # parts of each piece that the figure describes


class InspectionParams(Section):
    """Which new images are inspected, and with what."""

    input: str | None
    engine: Literal["onnxruntime", "openvino"]

    def folder(self, category: str) -> str:
        """The folder of images.

        Raises:
            InputError: If none is given.
        """
        if self.input is None:
            msg = (
                f"inspection.input names no images to inspect as {category}: run with --params "
                f"inspection.input=FOLDER, the path or URL of new images, and with --namespaces={category} if only "
                f"{category} is meant."
            )
            raise InputError(msg)
        return self.input


class SummaryParams(Section):
    """How categories are averaged."""

    textures: list[str]


class ComputeParams(Section):
    """What the work is done with."""

    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    memory_gib: float = Field(gt=0)

    def processor(self) -> str:
        """The device that ``auto`` stands for; see :func:`reb_pipeline.core.device.torch_device`."""
        from reb_pipeline.core.device import torch_device

        return str(torch_device(self.device))
