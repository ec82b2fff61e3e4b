"""Answers of the service, as types for the OpenAPI documentation."""

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from reb_pipeline.calibration.verdicts import Verdict
from reb_pipeline.inspection.encoding import finite, in_base64, jpeg
from reb_pipeline.inspection.marks import FORMAT, FORMAT_VERSION, Mark
from reb_pipeline.inspection.overlay import ColourScale, draw_overlay

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.results import Inspection

Box = tuple[int, int, int, int]

# Examples in the OpenAPI documentation.
_MODEL_ID = "9c5f0d1b7a4e6c2f8b3d5a7e9f1c4b6d8e0a2c4f6b8d0e1f3a5c7b9d1e3f5a70"
_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_ANSWER: dict[str, Any] = {
    "verdict": "defective",
    "reason": None,
    "image_score": 3.12,
    "global_score": 0.0,
    "p_value": 0.017,
    "image_threshold": 2.4,
    "doubtful_threshold": None,
    "defects": [{"box": [120, 64, 18, 22], "area": 254, "peak": 7.9}],
    "worst_patch": [120, 64, 8, 8],
    "pose": {"degrees": -3.2, "right": 0.012, "down": -0.004},
    "zone": None,
    "width": 320,
    "height": 240,
    "seconds": 0.042,
    "model_id": _MODEL_ID,
    "image_sha256": _SHA256,
}
_MODEL: dict[str, Any] = {
    "name": "screw",
    "model_id": _MODEL_ID,
    "written": "2026-01-31T09:15:00Z",
    "can_flag": True,
    "image_threshold": 2.4,
    "doubtful_threshold": None,
    "false_alarm_rate": 0.05,
    "doubtful_rate": None,
    "calibration_images": 59,
    "stores_marks": True,
    "calibration": "Of 59 good images that the bank has not seen, 2 are above the threshold; of 200 further good parts "
    "10.0 are expected to be flagged, at most 21 (95 %).",
}
_MARK = {
    "image_sha256": _SHA256,
    "verdict": "defective",
    "mark": "false alarm",
    "when": "2026-01-31T09:15:00Z",
}
_MARKS: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION, "marks": [_MARK]}
_BATCH: dict[str, Any] = {
    "results": [
        {"filename": "a.png", "status": 200, "verdict": "defective", "inspection": _ANSWER},
        {
            "filename": "b.gif",
            "status": 415,
            "verdict": "unreadable",
            "detail": "Image 'b.gif' cannot be decoded (its content is not an image of PNG, JPEG, BMP, TIFF, WEBP): "
            "replace the file, or take it out of the data.",
        },
    ]
}


def _example(values: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class Defect(BaseModel):
    """Connected region of marked pixels."""

    box: Box = Field(description="x, y, width, height in pixels of the image as sent")
    area: int = Field(description="pixels of the image as sent")
    peak: float = Field(description="highest anomaly score in it")


class Pose(BaseModel):
    """Where the part lies, from the golden image to the image as sent."""

    degrees: float = Field(description="angle by which the part is turned, clockwise as seen")
    right: float = Field(description="shift to the right, as a share of the width")
    down: float = Field(description="shift down, as a share of the height")


class NearestGood(BaseModel):
    """Patch of a good image that is among the most similar ones to the worst patch."""

    image_id: str
    distance: float = Field(description="between the patches' features, Euclidean")
    box: Box = Field(description="where the crop lies, in pixels of the good image as packaged")
    crop_png: str = Field(description="base64")


class Answer(BaseModel):
    """Inspection of one image."""

    model_config = _example(_ANSWER)

    verdict: Verdict = Field(description="undecided where there is no threshold")
    reason: str | None = Field(
        default=None,
        description="why the part is undecided, or which other view of a batch decides",
    )
    image_score: float
    global_score: float = Field(
        description="part of the image score that the whole image adds; 0 without a global branch"
    )
    p_value: float = Field(
        description="share of good images, this one included, that score at least as high"
    )
    image_threshold: float | None = Field(
        description="a higher image score is defective; null where there is none, then every part is undecided"
    )
    doubtful_threshold: float | None = Field(
        default=None, description="a higher image score is not good; null where no part is doubtful"
    )
    defects: list[Defect] = Field(description="largest first")
    worst_patch: Box = Field(description="x, y, width, height in pixels of the image as sent")
    pose: Pose | None = Field(
        default=None,
        description="null in a model that takes images as they are, and where the part cannot be aligned",
    )
    zone: str | None = Field(
        default=None, description="that the worst patch lies in; null without zones"
    )
    width: int = Field(description="of the image as sent, upright")
    height: int = Field(description="of the image as sent, upright")
    seconds: float = Field(description="of the inspection, without decoding")
    model_id: str
    image_sha256: str = Field(description="SHA-256 of the file as sent, which marks name it by")
    anomaly_map_png: str | None = Field(
        default=None, description="base64, 8-bit grey; 128 and more is marked; with map=true"
    )
    anomaly_map_range: tuple[float, float] | None = Field(
        default=None,
        description="anomaly scores of grey 0 and 255, the same for all images of a model",
    )
    overlay_jpeg: str | None = Field(default=None, description="base64; with overlay=true")
    nearest_good: list[NearestGood] | None = Field(
        default=None, description="nearest first; with explain=true"
    )


class BatchItem(BaseModel):
    """File of a batch: its inspection, or the reason why there is none."""

    filename: str
    part: str | None = Field(
        default=None,
        description="part that the image shows, by its name; null where each image is a part, or the name tells none",
    )
    status: int = Field(description="200, or what the image alone would have been answered")
    verdict: Verdict = Field(
        description="of the inspection, or of the part where parts have several views; unreadable where there is none"
    )
    detail: str | None = Field(default=None, description="why it was refused")
    inspection: Answer | None = None


class Batch(BaseModel):
    """Results of a batch, in the order of the files."""

    model_config = _example(_BATCH)

    results: list[BatchItem]


class Health(BaseModel):
    """State of the service and its model."""

    status: Literal["ok", "stopping"]
    model: str
    model_id: str
    version: str = Field(description="of reb-pipeline")
    can_flag: bool = Field(description="whether parts can be good or defective, not just undecided")
    image_threshold: float | None = Field(description="null where there is none")


class Model(BaseModel):
    """Description of a model."""

    model_config = _example(_MODEL)

    name: str
    model_id: str = Field(description="SHA-256 of the packaged model")
    written: datetime | None = Field(
        description="when model.json was written, by its file system; null where that keeps no time"
    )
    can_flag: bool = Field(
        description="whether it can call parts good or defective; otherwise every part is undecided"
    )
    image_threshold: float | None = Field(
        description="a higher image score is defective; null where there is none"
    )
    doubtful_threshold: float | None = Field(
        default=None,
        description="a score above it that is not defective is doubtful; null where no part is",
    )
    false_alarm_rate: float = Field(description="share of good parts that may be flagged")
    doubtful_rate: float | None = Field(
        default=None,
        description="share of good parts that may be doubtful or flagged; null where no part is doubtful",
    )
    calibration_images: int = Field(
        description="good images, or parts of several views, that the threshold is taken from"
    )
    stores_marks: bool = Field(description="whether the service stores marks of people on verdicts")
    calibration: str = Field(description="what is promised, and why there is no threshold")


class Models(BaseModel):
    """Models of the service."""

    model_config = _example({"models": [_MODEL]})

    models: list[Model]


class Marks(BaseModel):
    """Marks of people on verdicts, as in a file of marks."""

    model_config = _example(_MARKS)

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    marks: list[Mark]


class Problem(BaseModel):
    """Reason why there is no answer."""

    detail: str


class Extras(BaseModel):
    """Optional parts of an answer."""

    map: bool = Field(default=True, description="the anomaly map as PNG")
    overlay: bool = Field(default=False, description="the image with its anomaly map, as JPEG")
    explain: bool = Field(default=False, description="the nearest good patches")


def answer(inspector: "Inspector", image: np.ndarray, extras: Extras, image_sha256: str) -> Answer:
    """Inspect an image and build the answer, see :func:`described`."""
    return described(inspector, image, inspector.inspect(image), extras, image_sha256)


def described(
    inspector: "Inspector",
    image: np.ndarray,
    inspection: "Inspection",
    extras: Extras,
    image_sha256: str,
) -> Answer:
    """Build the answer about an inspected image.

    Args:
        inspector: The model.
        image: uint8 [height, width, 3] RGB.
        inspection: Its inspection.
        extras: Requested parts of the answer.
        image_sha256: SHA-256 of the image's file.
    """
    scale = ColourScale.of(inspector.calibration)
    height, width = image.shape[:2]
    found = Answer(
        verdict=inspection.verdict,
        reason=inspection.reason or None,
        image_score=inspection.image_score,
        global_score=inspection.global_score,
        p_value=inspection.p_value,
        image_threshold=finite(inspector.image_threshold),
        doubtful_threshold=inspector.doubtful_threshold,
        defects=[Defect(box=d.box, area=d.area, peak=d.peak) for d in inspection.defects],
        worst_patch=inspection.worst_patch,
        pose=None if inspection.pose is None else Pose(**inspection.pose),
        zone=inspection.zone or None,
        width=width,
        height=height,
        seconds=inspection.seconds,
        model_id=inspector.model_id,
        image_sha256=image_sha256,
    )
    if extras.map:
        found.anomaly_map_png = png(scale.levels(inspection.anomaly_map))
        found.anomaly_map_range = scale.threshold - scale.span, scale.threshold + scale.span
    if extras.overlay:
        drawn = draw_overlay(image, inspection, scale, inspector.pixel_threshold)
        found.overlay_jpeg = in_base64(jpeg(drawn))
    if extras.explain:
        found.nearest_good = [
            NearestGood(
                image_id=patch.image_id,
                distance=patch.distance,
                box=patch.box,
                crop_png=png(patch.crop),
            )
            for patch in inspector.explain(inspection)
        ]
    return found


def png(pixels: np.ndarray) -> str:
    """Encode pixels, uint8 [h, w] or [h, w, 3], as a PNG file in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return in_base64(file.getvalue())
