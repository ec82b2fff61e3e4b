"""Settings of the scores of patches and images."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from reb_pipeline.core.settings import Settings, one_of
from reb_pipeline.images.polygons import CORNERS, Share, has_area
from reb_pipeline.scoring.global_branch import GLOBAL_BRANCHES
from reb_pipeline.scoring.image_scores import IMAGE_SCORES
from reb_pipeline.scoring.ldknn import SCORE_FORMS
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.scoring.zones import REST

AUTO = "auto"
MEMORY_BANK, GDE, PADIM = "memory_bank", "gde", "padim"
# Detectors of reb_pipeline.scoring.gaussians: quick to fit again, and packaged.
GAUSSIANS = (GDE, PADIM)
# The keys of reb_pipeline.detectors.registry.DETECTORS, which this package may not import.
DETECTOR_NAMES = (
    MEMORY_BANK, *GAUSSIANS, "spade", "fused", "hierarchical",
    "feature_reconstruction", "autoencoder", "variational_autoencoder", "skip_autoencoder", "hybrid",
)  # fmt: skip

NOT_PACKAGED = (
    "The detector {} is not packaged, because inspection has the features of one network and no PyTorch: package a "
    "memory bank, padim or gde (scoring.detector)."
)


class ImageScoreSettings(Settings):
    """Settings of image scores, for any detector that scores patches."""

    image_score: Annotated[str, one_of(IMAGE_SCORES)] = "block_max"
    top_patches: int = Field(default=10, ge=1, le=1_000_000)  # patches averaged by top_k_mean
    top_share: float = Field(
        default=0.03, gt=0, le=1
    )  # share of patches averaged by top_share_mean and ranked_mean
    quantile: float = Field(default=0.99, ge=0, le=1)  # quantile of the patch scores
    area_threshold: float | None = (
        None  # patch score above which a patch counts for thresholded_area
    )

    @model_validator(mode="after")
    def _threshold_given(self) -> "ImageScoreSettings":
        if self.image_score == "thresholded_area" and self.area_threshold is None:
            msg = (
                "image_score = thresholded_area needs area_threshold, the patch score to count from"
            )
            raise ValueError(msg)
        return self


class ScoringSettings(ImageScoreSettings):
    """Settings of patch scores, image scores and anomaly maps; the defaults are the reference code's.

    Example:
        >>> settings = ScoringSettings(n_neighbors=3)
        >>> settings.scorer, settings.form, settings.search_depth
        ('ldknn', 'subtract_squared', 1)
        >>> settings.of_images
        ImageScoreSettings(image_score='block_max', top_patches=10, top_share=0.03, quantile=0.99, area_threshold=None)
    """

    # memory_bank scores patches by the scorer; the pipeline detection runs the others
    detector: Annotated[str, one_of(DETECTOR_NAMES)] = MEMORY_BANK
    scorer: Annotated[str, one_of(SCORERS)] = "ldknn"
    max_neighbors: int = Field(
        default=15, ge=1, le=1000
    )  # K_max, the number of neighbours to search
    n_neighbors: int = Field(default=5, ge=1, le=1000)  # K
    alpha: Annotated[float, Field(ge=0, le=1e6)] | Literal["auto"] = 1.0
    form: Annotated[str, one_of(SCORE_FORMS)] = "subtract_squared"
    # position: patch scores in units of good patches' spread at the position, see good_scores.py
    normalization: Literal["none", "position"] = "none"
    # zones with a cut-off each: polygons of (x, y) in shares of width and height by name, see zones.py
    zones: dict[str, list[list[tuple[Share, Share]]]] | None = None
    # what is added to image scores where the whole image is unlike good ones, see global_branch.py
    global_branch: Annotated[str, one_of(GLOBAL_BRANCHES)] = "none"
    # what anomaly maps show: patch scores, or the squared distance to the nearest coreset row
    anomaly_map: Literal["score", "distance"] = "score"
    smoothing_sigma: float = Field(default=4.0, ge=0, le=256)  # px of a map of side 256

    @property
    def of_images(self) -> ImageScoreSettings:
        """Settings of the image score alone."""
        return ImageScoreSettings(**self.model_dump(include=set(ImageScoreSettings.model_fields)))

    @property
    def search_depth(self) -> int:
        """Number of coreset rows to search for each patch, enough for every K up to K_max."""
        return self.max_neighbors if SCORERS[self.scorer].searches_all else 1

    @field_validator("alpha", mode="wrap")
    @classmethod
    def _number_or_auto(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:  # has an error for each allowed type; the user needs one sentence
            msg = "Input should be a number from 0 to 1000000, or auto"
            raise ValueError(msg) from None

    @field_validator("zones", mode="wrap")
    @classmethod
    def _names_and_polygons(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            zones = validate(value)
        except ValidationError:  # has an error for each allowed type; the user needs one sentence
            zones = {}
        if zones is not None and not (
            zones
            and all(zones)
            and REST not in zones
            and all(of_zone and all(map(has_area, of_zone)) for of_zone in zones.values())
        ):
            msg = f"Input should be null, or for the name of each zone, which must not be {REST}, a list of {CORNERS}"
            raise ValueError(msg)
        return zones

    @model_validator(mode="after")
    def _k_fits(self) -> "ScoringSettings":
        fewest = SCORERS[self.scorer].min_neighbors
        if self.n_neighbors < fewest:
            msg = f"scorer = {self.scorer} needs n_neighbors of at least {fewest}"
            raise ValueError(msg)
        if self.n_neighbors > self.max_neighbors:
            msg = f"n_neighbors = {self.n_neighbors} is above max_neighbors = {self.max_neighbors}: raise max_neighbors"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _image_score_can_be_made(self) -> "ScoringSettings":
        if IMAGE_SCORES[self.image_score].compares_neighbors and (
            self.scorer != "nearest" or self.n_neighbors < 2
        ):
            msg = f"image_score = {self.image_score} needs scorer = nearest and n_neighbors of at least 2"
            raise ValueError(msg)
        if IMAGE_SCORES[self.image_score].compares_neighbors and self.detector != MEMORY_BANK:
            msg = (
                f"image_score = {self.image_score} compares neighbours, which detector = {self.detector} does not "
                f"search: set image_score to another one"
            )
            raise ValueError(msg)
        if IMAGE_SCORES[self.image_score].compares_neighbors and self.normalization != "none":
            msg = (
                f"image_score = {self.image_score} reads no patch scores: set normalization to none"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _zones_can_be_scored(self) -> "ScoringSettings":
        if self.zones is None:
            return self
        if IMAGE_SCORES[self.image_score].compares_neighbors or (
            self.image_score == "thresholded_area"
        ):
            msg = f"image_score = {self.image_score} cannot be shared out by zones: set image_score to another one"
            raise ValueError(msg)
        if self.detector != MEMORY_BANK:
            msg = f"detector = {self.detector} has no zones: set detector to {MEMORY_BANK}, or zones to null"
            raise ValueError(msg)
        return self
