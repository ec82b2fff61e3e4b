"""Typed parameters: one model for each section of ``conf/*/parameters*.yml``.

Nodes receive a category's copy of a section as ``params:<category>.<section>``. In the copy, values given for the
category under ``per_category`` replace the defaults; see :mod:`reb_pipeline.parameters.per_category`.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings, one_of
from reb_pipeline.images.channels import MOST
from reb_pipeline.images.pose import AS_TAKEN, POSES

Channel = Annotated[int, Field(ge=0, lt=MOST, strict=True)]


class IngestionParams(Settings):
    """Settings of the table of samples."""

    max_unreadable_share: float = Field(ge=0, le=1)  # a larger share stops the run
    leave_out: str | None = None  # list of good training images to leave out, a CSV file
    pose: Annotated[str, one_of(POSES)] = (
        AS_TAKEN  # motion that brings each image to the golden one
    )
    golden: str | None = None  # path or URL of the golden image; None chooses a good training image
    # Channel of each image that is looked at, or three, from 0; None reads grey and RGB files.
    channels: Channel | Annotated[list[Channel], Field(min_length=3, max_length=3)] | None = None

    @field_validator("channels", mode="wrap")
    @classmethod
    def _one_or_three(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError as error:  # has an error for each allowed type
            msg = f"Input should be the number of a channel, or three numbers, from 0 to {MOST - 1}"
            raise ValueError(msg) from error

    @field_validator("golden")
    @classmethod
    def _used(cls, golden: str | None, values: ValidationInfo) -> str | None:
        if golden is not None and values.data.get("pose") == AS_TAKEN:
            msg = "It is used by no pose: set ingestion.pose to shift or rigid"
            raise ValueError(msg)
        return golden


class CalibrationParams(Settings):
    """Settings of the thresholds: their rates, and the good images for calibration."""

    false_alarm_rate: float = Field(gt=0, lt=1)  # share of good parts that may be flagged
    folder: str | None  # good images that are not in the bank; null for the held-out ones
    chosen_by_selection: bool = False  # True where the pipeline selection chose settings
    # Share of good parts that may be doubtful or flagged; None calls no part doubtful.
    doubtful_rate: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _doubt_comes_first(self) -> "CalibrationParams":
        if self.doubtful_rate is not None and self.doubtful_rate < self.false_alarm_rate:
            msg = (
                f"doubtful_rate = {self.doubtful_rate} is below false_alarm_rate = {self.false_alarm_rate}, and it "
                f"counts flagged parts too: give at least as much"
            )
            raise ValueError(msg)
        return self

    @property
    def rates(self) -> dict[str, Any]:
        """Fields of a calibration that say which thresholds are taken from its scores."""
        return self.model_dump(include={"false_alarm_rate", "doubtful_rate"})


class EvaluationParams(Settings):
    """Settings of the metrics and figures of test images."""

    pro_fpr_limit: float = Field(gt=0, le=1)
    spro_fpr_limit: float = Field(gt=0, le=1)
    pixel_resolution: Literal["image", "map"]  # at which maps and masks are compared
    examples_per_kind: int = Field(ge=1, le=30)  # a higher figure could not be drawn


class BankUpdateParams(Settings):
    """Good images to add to a memory bank and to remove from it."""

    add: str | None  # folder of good images
    false_alarm_rate: float | None = Field(default=None, gt=0, lt=1)  # None keeps the rate in use
    doubtful_rate: float | None = Field(default=None, gt=0, lt=1)  # None keeps the rate in use
    forget: list[str]  # ids of good training images, or patterns of ids

    @field_validator("forget", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class DriftParams(Settings):
    """Number of inspected parts to compare with the calibration."""

    last: int = Field(ge=1, le=10_000_000)  # number of latest parts
    window: int = Field(ge=1, le=10_000_000)  # number of parts per point of the figure


class PackagingParams(Settings):
    """Content of a packaged model, and permission to package one that can call no part good or defective."""

    allow_undecided: bool
    good_images: bool = True  # False packages no image of a part


class InspectionParams(Settings):
    """New images to inspect, the engine to use, and the permission to use a model that leaves every part undecided."""

    input: str | None
    engine: Literal["onnxruntime", "openvino"]
    allow_undecided: bool

    def folder(self, category: str) -> str:
        """Return the folder of images.

        Raises:
            InputError: If no folder is given.
        """
        if self.input is None:
            msg = (
                f"inspection.input names no images to inspect as {category}: run with --params "
                f"inspection.input=FOLDER, the path or URL of new images, and with --namespaces={category} if only "
                f"{category} is meant."
            )
            raise InputError(msg)
        return self.input


class SummaryParams(Settings):
    """Settings of the averages over categories."""

    textures: list[str]


class ComparisonParams(Settings):
    """Settings of the comparison of stored runs."""

    runs: list[str]


class ComputeParams(Settings):
    """Device and memory for computations."""

    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    memory_gib: float = Field(gt=0, le=100_000)

    def processor(self) -> str:
        """Resolve ``auto`` to a device; see :func:`reb_pipeline.core.device.torch_device`."""
        from reb_pipeline.core.device import torch_device

        return str(torch_device(self.device))
