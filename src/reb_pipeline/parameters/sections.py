"""Typed parameters: one model a section of ``conf/*/parameters.yml``.

A category's own copy of a section reaches the nodes as ``params:<category>.<section>``: its defaults with the
category's own values, given under ``per_category``, on top; see :mod:`reb_pipeline.parameters.per_category`.
"""

from typing import Any, Literal

from pydantic import Field, field_validator

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings


class IngestionParams(Settings):
    """Settings of the table of samples."""

    max_unreadable_share: float = Field(ge=0, le=1)  # more unreadable images than this stop the run


class CalibrationParams(Settings):
    """Settings of the thresholds: the good images they are taken from, and the false-alarm rate."""

    false_alarm_rate: float = Field(gt=0, lt=1)  # share of good parts that may be flagged
    folder: str | None  # of good images that the bank has not seen; null takes the held-out ones


class EvaluationParams(Settings):
    """Settings of metrics and figures of test images."""

    pro_fpr_limit: float = Field(gt=0, le=1)
    spro_fpr_limit: float = Field(gt=0, le=1)
    examples_per_kind: int = Field(ge=1)


class BankUpdateParams(Settings):
    """Good images that a memory bank gains and loses."""

    add: str | None  # folder of good images
    forget: list[str]  # ids of good training images, or patterns of them

    @field_validator("forget", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class DriftParams(Settings):
    """Parts that are compared with the calibration."""

    last: int = Field(ge=1)  # parts
    window: int = Field(ge=1)  # parts of each piece that the figure describes


class InspectionParams(Settings):
    """New images to inspect, and the engine."""

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


class SummaryParams(Settings):
    """Settings of the averages over categories."""

    textures: list[str]


class ComputeParams(Settings):
    """Device and memory that the work is done with."""

    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    memory_gib: float = Field(gt=0)

    def processor(self) -> str:
        """The device that ``auto`` stands for; see :func:`reb_pipeline.core.device.torch_device`."""
        from reb_pipeline.core.device import torch_device

        return str(torch_device(self.device))
