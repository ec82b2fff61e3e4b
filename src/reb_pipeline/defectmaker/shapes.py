"""Shapes of synthetic defects (REB paper section 3.1.1, reference code DefectMaker/shape.py and bezier_mask.py).

Areas are shares of the image. Lengths are those of the reference code, in pixels of a 256 x 256 image; they are scaled
to the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from reb_pipeline.defectmaker.images import pixel_scale, resize

AREA = (0.02, 0.15)  # area of the box as a share of the image
SCAR_WIDTH, SCAR_HEIGHT = (7, 21), (15, 30)  # px of a 256 x 256 image, both ends included
SCAR_TURN = 45  # largest angle to either side, in degrees
CURVE_SAMPLES = np.linspace(0, 1, 12)[:-1]  # the last sample is the first one of the next segment
BERNSTEIN = np.stack(
    [math.comb(3, i) * CURVE_SAMPLES**i * (1 - CURVE_SAMPLES) ** (3 - i) for i in range(4)], axis=1
)
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)


@dataclass(frozen=True)
class Shape:
    """Shape of a defect, and the fusions that the reference code uses for it.

    Attributes:
        draw: Function (rng, (image height, image width)) -> mask of the shape's box, bool [h, w], never larger than
            the image. The mask may be empty if the image is tiny.
        fusions: Keys of ``FUSIONS``, equally likely; used if the kind fixes no fusion.
        edge_kernel: Side of the kernel that softens the edge, in pixels of a 256 x 256 image.
        blend_weight: Range of the weight of the fill, used by fusions that blend.
    """

    draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
    fusions: tuple[str, ...]
    edge_kernel: int
    blend_weight: tuple[float, float]


def bezier(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """Draw a large blob with curved and straight edges."""
    return _fill(_stretch(_contour(rng, 5, 6), _large_box(rng, image, 3.3)), image)


def bezier_scar(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """Draw a small upright blob, turned by a random angle."""
    return _fill(_turn(rng, _stretch(_contour(rng, 5, 6), _scar_box(rng, image))), image)


def bezier_clump(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """Draw a large blob in pieces: its parts where coarse noise is bright.

    The text of the paper erodes the blob instead. The reference code derives both sides of the noise grid from the
    width, by mistake; here the height of the grid follows from the height.
    """
    mask = _fill(_stretch(_contour(rng, 5, 9), _large_box(rng, image, 3)), image)
    grain = rng.uniform(5, 7) * pixel_scale(image)
    aspect = _log_uniform(rng, 2)
    h, w = mask.shape
    grid = max(1, int(h / grain / aspect)), max(1, int(w / grain * aspect))
    noise = resize(rng.integers(77, 178, grid, dtype=np.uint8), mask.shape)
    return _trim(mask & (noise > 138))


def rect(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """Draw a rectangle, as CutPaste does: the baseline of table 5 of the paper."""
    return np.ones(_large_box(rng, image, 3.3), bool)


def rect_scar(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """Draw a small upright rectangle, turned by a random angle, like the scar of CutPaste."""
    return _fill(_turn(rng, _stretch(SQUARE, _scar_box(rng, image))), image)


def perlin(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """Draw the shape of DRAEM, over the whole image: pixels where Perlin noise exceeds 0.5.

    The scale of the noise is random along each axis.
    """
    lattice = 2 ** rng.integers(0, 6, 2)
    angle = rng.uniform(0, 2 * math.pi, lattice + 1).astype(np.float32)
    gradients = np.sin(angle), np.cos(angle)  # y and x
    (y, cell_y), (x, cell_x) = (
        _lattice_position(*axis) for axis in zip(image, lattice, strict=True)
    )
    noise = np.zeros(image, np.float32)
    for corner_y in (0, 1):
        for corner_x in (0, 1):
            cells = np.ix_(cell_y + corner_y, cell_x + corner_x)
            away_y, away_x = y - corner_y, x - corner_x
            slope = gradients[0][cells] * away_y[:, None] + gradients[1][cells] * away_x
            noise += slope * _fade(1 - abs(away_y))[:, None] * _fade(1 - abs(away_x))
    return math.sqrt(2) * noise > 0.5


SHAPES: dict[str, Shape] = {
    "bezier": Shape(bezier, ("paste", "softened"), 5, (0.5, 1)),
    "bezier_scar": Shape(bezier_scar, ("paste", "softened"), 3, (0.5, 1)),
    "bezier_clump": Shape(bezier_clump, ("blend", "blend_softened"), 3, (0.5, 1)),
    "rect": Shape(rect, ("blend",), 5, (0.99, 1)),
    "rect_scar": Shape(rect_scar, ("blend",), 3, (0.99, 1)),
    "perlin": Shape(perlin, ("blend",), 5, (0.2, 1)),
}


def _large_box(
    rng: np.random.Generator, image: tuple[int, int], aspect_limit: float
) -> tuple[int, int]:
    """Draw height and width of a box by its area; if one side exceeds the image, the other is enlarged."""
    area = rng.uniform(*AREA) * image[0] * image[1]
    aspect = _log_uniform(rng, aspect_limit)
    height, width = math.sqrt(area / aspect), math.sqrt(area * aspect)
    if height > image[0]:
        height, width = image[0], area / image[0]
    elif width > image[1]:
        height, width = area / image[1], image[1]
    return max(1, round(height)), max(1, round(width))


def _scar_box(rng: np.random.Generator, image: tuple[int, int]) -> tuple[int, int]:
    scale = pixel_scale(image)
    width, height = (rng.integers(*ends, endpoint=True) for ends in (SCAR_WIDTH, SCAR_HEIGHT))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _contour(rng: np.random.Generator, fewest: int, most: int) -> np.ndarray:
    """Draw a closed contour around a few random points.

    Each side is a cubic Bézier curve or a straight line, with equal probability.

    Returns:
        float64 [points, 2], x and y, in arbitrary units.
    """
    corners = rng.integers(0, 100, (rng.integers(fewest, most, endpoint=True), 2)).astype(float)
    offset = corners - corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))]
    following, previous = np.roll(corners, -1, axis=0), np.roll(corners, 1, axis=0)
    after = np.hypot(*(following - corners).T) + 1e-9  # two corners may coincide
    before = np.roll(after, 1)
    share = (before / (before + after))[:, None]  # share of the handle before the corner
    handle = (1 - rng.integers(2, 4, endpoint=True) / 10) * (following - previous) / 2
    arrive, leave = corners - share * handle, corners + (1 - share) * handle
    controls = np.stack([corners, leave, np.roll(arrive, -1, axis=0), following])
    curves = np.einsum("sc,cnd->nsd", BERNSTEIN, controls)  # [corners, samples, 2]
    keep = np.ones(curves.shape[:2], bool)
    keep[rng.random(len(corners)) > 0.5, 1:] = False  # a straight side needs only its first point
    return curves[keep]


def _stretch(contour: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """Scale a contour along x and y to fit a box [height, width]."""
    contour = contour - contour.min(axis=0)
    return contour / (contour.max(axis=0) + 1e-9) * (box[1] - 1, box[0] - 1)


def _turn(rng: np.random.Generator, contour: np.ndarray) -> np.ndarray:
    angle = math.radians(rng.integers(-SCAR_TURN, SCAR_TURN, endpoint=True))
    sine, cosine = math.sin(angle), math.cos(angle)
    return contour @ np.array([(cosine, -sine), (sine, cosine)])


def _fill(contour: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """Rasterise the inside of a contour as the mask of its box, limited to the size of the image."""
    points = contour - contour.min(axis=0)
    limit = np.array((image[1] - 1, image[0] - 1))
    points = np.rint(np.minimum(points, limit)).astype(np.int32)
    width, height = points.max(axis=0) + 1
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [points], 1).astype(bool)


def _trim(mask: np.ndarray) -> np.ndarray:
    """Crop a mask to the bounding box of its True pixels."""
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    return mask[y : y + h, x : x + w]


def _log_uniform(rng: np.random.Generator, limit: float) -> float:
    """Draw a ratio between 1 / limit and limit, uniform in the logarithm."""
    return math.exp(rng.uniform(-math.log(limit), math.log(limit)))


def _lattice_position(pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Locate the pixel centres along an axis in the lattice of Perlin noise.

    Returns:
        Position within the lattice cell, 0..1, and index of the lattice cell, for each pixel.
    """
    position = (np.arange(pixels) + 0.5) * cells / pixels
    cell = position.astype(int)
    return (position - cell).astype(np.float32), cell


def _fade(t: np.ndarray) -> np.ndarray:
    """Compute the weight of a lattice corner in Perlin noise: 0 to 1, smooth at both ends."""
    return t**3 * (t * (6 * t - 15) + 10)
