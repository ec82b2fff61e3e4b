"""Content of the report for one image, small enough for a page with thousands of images."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.images.shown import shown
from reb_pipeline.inspection.encoding import in_base64, jpeg
from reb_pipeline.inspection.inspector import CONTEXT
from reb_pipeline.inspection.overlay import (
    ColourScale,
    colours,
    outlines,
    region_outlines,
    shrink,
)

if TYPE_CHECKING:
    from reb_pipeline.inspection.defects import Defect
    from reb_pipeline.inspection.results import Inspection, NearestGood

LARGE_SIDE = 512  # px: longest side of the image in the detail view
_THUMBNAIL_SIDE, _HEAT_SIDE, _CROP_SIDE = 160, 96, 96  # px


def view_of(
    image: np.ndarray,
    inspection: "Inspection",
    nearest: Sequence["NearestGood"],
    scale: ColourScale,
    pixel_threshold: float,
) -> dict[str, Any]:
    """Collect the content of the report for one image, except the large image.

    Args:
        image: uint8 [height, width, 3] RGB.
        inspection: Its inspection.
        nearest: Nearest good patches as an explanation; empty for a good image.
        scale: Colour scale of the model.
        pixel_threshold: Anomaly score above which a pixel is marked.

    Returns:
        JSON values of :func:`picture_of`, ``region`` (outlines of the region of interest), ``worst`` (JPEG around the
        worst patch, None for a good image), ``worst_box`` (x, y, width, height of that patch) and ``nearest``
        (``name``, ``distance``, ``crop``).
    """
    found = (inspection.anomaly_map, inspection.defects)
    return {
        **picture_of(image, image.shape[:2], *found, scale, pixel_threshold),
        "region": region_outlines(inspection.region, image.shape[:2]),
        "worst": _crop(around(image, inspection.worst_patch)) if nearest else None,
        "worst_box": [int(side) for side in inspection.worst_patch],
        "nearest": [
            {"name": good.image_id, "distance": float(good.distance), "crop": _crop(good.crop)}
            for good in nearest
        ],
    }


def picture_of(
    image: np.ndarray,
    shape: tuple[int, int],
    anomaly_map: np.ndarray,
    defects: Sequence["Defect"],
    scale: ColourScale,
    pixel_threshold: float,
) -> dict[str, Any]:
    """Collect what a page draws of one image.

    Args:
        image: uint8 [h, w, 3] RGB, may be smaller than the original.
        shape: Height and width of the original in pixels.
        anomaly_map: Its map, float32 [h, w].
        defects: Regions of marked pixels.
        scale: Colour scale of the model.
        pixel_threshold: Anomaly score above which a pixel is marked.

    Returns:
        JSON values: ``width``, ``height``, ``thumbnail`` (JPEG), ``heat`` (PNG, drawn over the image),
        ``outlines`` (see :func:`~reb_pipeline.inspection.overlay.outlines`) and ``defects`` ([x, y, width, height,
        area, peak] of each). Files are in base64.
    """
    return {
        **plain_picture_of(image, shape),
        "heat": in_base64(heat_layer(anomaly_map, scale)),
        "outlines": outlines(anomaly_map, pixel_threshold, shape),
        "defects": [[*(int(side) for side in d.box), int(d.area), float(d.peak)] for d in defects],
    }


def plain_picture_of(image: np.ndarray, shape: tuple[int, int]) -> dict[str, Any]:
    """Collect what a page draws of an image without a score: no map and no mark; see :func:`picture_of`."""
    height, width = shape
    return {
        "width": width,
        "height": height,
        "thumbnail": in_base64(jpeg(shown(image, _THUMBNAIL_SIDE), quality=75)),
        "heat": None,
        "outlines": [],
        "defects": [],
        "nearest": [],
    }


def heat_layer(anomaly_map: np.ndarray, scale: ColourScale) -> bytes:
    """Encode the colours of a map as a square PNG file, to be stretched to the image; a page gives it its opacity."""
    from PIL import Image

    from reb_pipeline.scoring.anomaly_maps import resize_map

    levels = scale.shades(resize_map(anomaly_map, (_HEAT_SIDE, _HEAT_SIDE)))
    layer = Image.fromarray(levels)
    layer.putpalette(colours()[:, :3].tobytes())
    file = io.BytesIO()
    layer.save(file, "PNG")
    return file.getvalue()


def around(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Crop a box with its surroundings, large enough to recognise its position.

    Args:
        image: uint8 [height, width, 3].
        box: x, y, width, height in pixels.

    Returns:
        uint8 [h, w, 3], with ``CONTEXT`` box sizes on every side as in crops of good patches, cut off at the image's
        border.
    """
    x, y, width, height = box
    return image[
        max(0, y - CONTEXT * height) : y + (1 + CONTEXT) * height,
        max(0, x - CONTEXT * width) : x + (1 + CONTEXT) * width,
    ]


def _crop(pixels: np.ndarray) -> str:
    return in_base64(jpeg(shrink(np.ascontiguousarray(pixels), _CROP_SIDE)))
