"""Anomaly maps as colours, on one scale for all images of a model, and overlays on images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.calibration.verdicts import GOOD, above, can_flag
from reb_pipeline.inspection.contours import find_contours, simplify

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration
    from reb_pipeline.inspection.results import Inspection

OVERLAY_SIDE = 1280  # px: longest side of an overlay
_MARKED = 128  # first of the 256 levels that is above the threshold
_HOT_SPANS = 3
_OUTLINE = (255, 255, 255)
_BOX = (0, 229, 255)  # rare on parts, unlike red, white and black
_REGION = (0, 200, 83)
_EXACTNESS = 0.5  # largest error of an outline, in pixels of the map
# The colour map inferno of matplotlib (van der Walt and Smith, CC0) at every 15th of 256 levels, RGB.
_INFERNO = (
    "000004 0a0722 1e0c45 380962 510e6c 69166e 801f6c 982766 b0315b "
    "c63d4d d94d3d e9612b f47918 fa9407 fcb014 f8cd37 f2ea69 fcffa4"
)


@dataclass(frozen=True)
class ColourScale:
    """Mapping of anomaly scores to 256 levels of colour, the same for all images.

    Levels up to 127 have calm colours, for scores of good images; levels from 128 have hot colours.

    Attributes:
        threshold: Pixel threshold of the anomaly score.
        span: Half range of linear levels: they cover threshold - span to threshold + span.
    """

    threshold: float
    span: float

    @classmethod
    def of(cls, calibration: "Calibration") -> "ColourScale":
        """Create the scale of a calibration, from zero over the pixel threshold to twice the threshold.

        If the false-alarm rate cannot be guaranteed, the highest score of a good image replaces the threshold. If the
        threshold is not positive, the span is the range of the highest scores of the good images.
        """
        peaks = calibration.peak_scores
        threshold = calibration.pixel_threshold
        if not can_flag(threshold):
            threshold = float(peaks.max()) if len(peaks) else 1.0
        span = threshold if threshold > 0 else float(np.ptp(peaks)) or 1.0
        return cls(float(threshold), float(span))

    def levels(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Compute the level of each pixel on the linear scale.

        Args:
            anomaly_map: float32 [h, w].

        Returns:
            uint8 [h, w]; 128 and more exactly if the score is above the threshold.
        """
        return _levels(self._relative(anomaly_map))

    def shades(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Compute the level of each pixel, with three times the range above the threshold.

        Scores of defects are often far above the threshold.
        """
        relative = self._relative(anomaly_map)
        np.divide(relative, _HOT_SPANS, out=relative, where=relative > 0)
        return _levels(relative)

    def _relative(self, anomaly_map: np.ndarray) -> np.ndarray:
        return (anomaly_map.astype(np.float64) - self.threshold) / self.span


def _levels(relative: np.ndarray) -> np.ndarray:
    return np.clip(_MARKED - 1 + np.ceil(_MARKED * relative), 0, 255).astype(np.uint8)


@cache
def colours() -> np.ndarray:
    """List red, green, blue and opacity of each level, uint8 [256, 4]; must not be changed by the caller."""
    inferno = np.frombuffer(bytes.fromhex(_INFERNO), np.uint8).reshape(-1, 3)
    at = np.linspace(0, 255, len(inferno))
    rgb = np.column_stack([np.interp(np.arange(256), at, channel) for channel in inferno.T])
    # Clear up to half the threshold, where good parts are: they keep their colours.
    calm = np.linspace(-0.25, 0.25, _MARKED).clip(0)
    hot = np.linspace(0.35, 0.6, 256 - _MARKED)  # the defect must stay visible below
    opacity = 255 * np.concatenate([calm, hot])
    return np.rint(np.column_stack([rgb, opacity])).astype(np.uint8)


def draw_overlay(
    image: np.ndarray,
    inspection: "Inspection",
    scale: ColourScale,
    pixel_threshold: float,
    side: int = OVERLAY_SIDE,
) -> np.ndarray:
    """Draw the anomaly map over an image, outlines of marked regions and the region of interest, and boxes of defects.

    The worst patch has a dashed box, see :func:`shows_worst_patch`.

    Args:
        image: uint8 [height, width, 3] RGB.
        inspection: Its inspection.
        scale: Colour scale of the model.
        pixel_threshold: Anomaly score above which a pixel is marked.
        side: Longest side of the overlay in pixels.

    Returns:
        uint8 [h, w, 3], in the size of the image, or, for a larger image, of :func:`shrink`.
    """
    from PIL import Image, ImageDraw

    from reb_pipeline.scoring.anomaly_maps import resize_map

    drawn = shrink(image, side)
    height, width = drawn.shape[:2]
    shades = scale.shades(resize_map(inspection.anomaly_map, (height, width)))
    layer = Image.fromarray(shades)
    opacity = layer.point(colours()[:, 3].tolist())
    layer.putpalette(colours()[:, :3].tobytes())
    overlay = Image.composite(layer.convert("RGB"), Image.fromarray(drawn), opacity)
    draw = ImageDraw.Draw(overlay)
    thickness = max(1, round(max(height, width) / 400))
    for points in region_outlines(inspection.region, (height, width)):
        draw.line([*points, *points[:2]], _REGION, thickness, joint="curve")
    for points in outlines(inspection.anomaly_map, pixel_threshold, (height, width)):
        draw.line([*points, *points[:2]], _OUTLINE, thickness, joint="curve")
    factors = width / image.shape[1], height / image.shape[0]
    for defect in inspection.defects:
        x, y, w, h = (
            round(side * factor) for side, factor in zip(defect.box, factors * 2, strict=True)
        )
        corners = (x, y, x + max(w, 1) - 1, y + max(h, 1) - 1)
        draw.rectangle(corners, outline=_BOX, width=thickness)
    if shows_worst_patch(inspection):
        x, y, w, h = (
            side * factor for side, factor in zip(inspection.worst_patch, factors * 2, strict=True)
        )
        for line in _dashes((x, y), (x + w - 1, y + h - 1), 3 * thickness):
            draw.line(line, _BOX, thickness)
    return np.asarray(overlay)


def shows_worst_patch(inspection: "Inspection") -> bool:
    """Return True if the worst patch is drawn: of a part that is not good, where no box of a defect has it."""
    if not inspection.shows_part or inspection.verdict == GOOD:
        return False
    x, y, width, height = inspection.worst_patch
    return not any(
        x < left + across and left < x + width and y < top + down and top < y + height
        for left, top, across, down in (defect.box for defect in inspection.defects)
    )


def _dashes(
    first: tuple[float, float], last: tuple[float, float], length: int
) -> Iterator[tuple[float, float, float, float]]:
    """List the dashes around a rectangle with these corners, as long as the gaps between them."""
    (left, top), (right, bottom) = first, last
    for x in np.arange(left, right, 2 * length):
        end = min(x + length, right)
        yield from ((x, top, end, top), (x, bottom, end, bottom))
    for y in np.arange(top, bottom, 2 * length):
        end = min(y + length, bottom)
        yield from ((left, y, left, end), (right, y, right, end))


def outlines(
    anomaly_map: np.ndarray, pixel_threshold: float, shape: tuple[int, int]
) -> list[list[int]]:
    """Find the outlines of marked regions, as polygons.

    Args:
        anomaly_map: float32 [h, w].
        pixel_threshold: Anomaly score above which a pixel is marked.
        shape: Height and width of the image in pixels.

    Returns:
        x, y, x, y, … of each polygon in pixels of the image, exact to half a pixel of the map.
    """
    return _polygons(above(anomaly_map, pixel_threshold), shape)


def region_outlines(region: np.ndarray | None, shape: tuple[int, int]) -> list[list[int]]:
    """Find the outlines of a region of interest, bool [h, w], as :func:`outlines`; none if it is None."""
    return [] if region is None else _polygons(region, shape)


def _polygons(marked: np.ndarray, shape: tuple[int, int]) -> list[list[int]]:
    factors = np.array(shape[::-1]) / marked.shape[::-1]
    found = find_contours(marked)
    # The centre of a pixel of the map is half a pixel from its corner.
    corners = (simplify(contour, _EXACTNESS) + 0.5 for contour in found)
    return [np.rint(points * factors).astype(int).ravel().tolist() for points in corners]


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink an image to a longest side of at most ``side`` pixels, uint8 [h, w, 3]."""
    from PIL import Image

    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
