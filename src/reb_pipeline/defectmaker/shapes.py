"""Shapes of synthetic defects (REB paper section 3.1.1, reference code DefectMaker/shape.py and bezier_mask.py).

Sizes are shares of the image; the reference's pixel figures are for 256 x 256 and scale with the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from reb_pipeline.defectmaker.images import pixel_scale, resize

AREA = (0.02, 0.15)  # share of the image that the box covers
SCAR_WIDTH, SCAR_HEIGHT = (7, 21), (15, 30)  # px at 256, both ends included
SCAR_TURN = 45  # degrees to either side, at most
CURVE_SAMPLES = np.linspace(0, 1, 12)[:-1]  # the last sample is the next segment's first
BERNSTEIN = np.stack(
    [math.comb(3, i) * CURVE_SAMPLES**i * (1 - CURVE_SAMPLES) ** (3 - i) for i in range(4)], axis=1
)
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)


@dataclass(frozen=True)
class Shape:
    """A shape, and the fusions by which the reference lays it over an image.

    Attributes:
        draw: ``(rng, (image height, image width))`` to the mask of the shape's box, bool [h, w], never larger
            than the image; it may come out empty where an image is tiny.
        fusions: Keys of ``FUSIONS``, each as likely as the other, where the user names none.
        edge_kernel: Kernel that softens the edge, px at 256.
        blend_weight: Range of the fill's weight where it is blended.
    """

    draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
    fusions: tuple[str, ...]
    edge_kernel: int
    blend_weight: tuple[float, float]


def bezier(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """A large blob of curved and straight edges."""
    return _fill(_stretch(_contour(rng, 5, 6), _large_box(rng, image, 3.3)), image)


def bezier_scar(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """A small upright blob, turned."""
    return _fill(_turn(rng, _stretch(_contour(rng, 5, 6), _scar_box(rng, image))), image)


def bezier_clump(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """A large blob in pieces: where coarse noise is bright.

    The text of the paper erodes the blob instead. The reference derives both sides of the noise from the
    width, a slip; here the height is the height's.
    """
    mask = _fill(_stretch(_contour(rng, 5, 9), _large_box(rng, image, 3)), image)
    grain = rng.uniform(5, 7) * pixel_scale(image)
    aspect = _log_uniform(rng, 2)
    h, w = mask.shape
    grid = max(1, int(h / grain / aspect)), max(1, int(w / grain * aspect))
    noise = resize(rng.integers(77, 178, grid, dtype=np.uint8), mask.shape)
    return _trim(mask & (noise > 138))


def rect(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """CutPaste's rectangle, the baseline of the paper's table 5."""
    return np.ones(_large_box(rng, image, 3.3), bool)


def rect_scar(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """CutPaste's scar: a small upright rectangle, turned."""
    return _fill(_turn(rng, _stretch(SQUARE, _scar_box(rng, image))), image)


def perlin(rng: np.random.Generator, image: tuple[int, int]) -> np.ndarray:
    """DRAEM's shape over the whole image: where Perlin noise of a random scale along each axis exceeds 0.5."""
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
    """Height and width of a box by its area; a side longer than the image's goes to the other side."""
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
    """A closed contour around a few random points, each side a cubic Bézier curve or, as likely, straight.

    Returns:
        float64 [points, 2], x and y, of no particular scale.
    """
    corners = rng.integers(0, 100, (rng.integers(fewest, most, endpoint=True), 2)).astype(float)
    offset = corners - corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))]
    following, previous = np.roll(corners, -1, axis=0), np.roll(corners, 1, axis=0)
    after = np.hypot(*(following - corners).T) + 1e-9  # two corners may be one point
    before = np.roll(after, 1)
    share = (before / (before + after))[:, None]  # of the handle that lies before the corner
    handle = (1 - rng.integers(2, 4, endpoint=True) / 10) * (following - previous) / 2
    arrive, leave = corners - share * handle, corners + (1 - share) * handle
    controls = np.stack([corners, leave, np.roll(arrive, -1, axis=0), following])
    curves = np.einsum("sc,cnd->nsd", BERNSTEIN, controls)  # [corners, samples, 2]
    keep = np.ones(curves.shape[:2], bool)
    keep[rng.random(len(corners)) > 0.5, 1:] = False  # a straight side needs its first point only
    return curves[keep]


def _stretch(contour: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """Stretch a contour along x and y so that it just fits a box [height, width]."""
    contour = contour - contour.min(axis=0)
    return contour / (contour.max(axis=0) + 1e-9) * (box[1] - 1, box[0] - 1)


def _turn(rng: np.random.Generator, contour: np.ndarray) -> np.ndarray:
    angle = math.radians(rng.integers(-SCAR_TURN, SCAR_TURN, endpoint=True))
    sine, cosine = math.sin(angle), math.cos(angle)
    return contour @ np.array([(cosine, -sine), (sine, cosine)])


def _fill(contour: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """The inside of a contour in pixels, as the mask of its box, squeezed into the image."""
    points = contour - contour.min(axis=0)
    limit = np.array((image[1] - 1, image[0] - 1))
    points = np.rint(np.minimum(points, limit)).astype(np.int32)
    width, height = points.max(axis=0) + 1
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [points], 1).astype(bool)


def _trim(mask: np.ndarray) -> np.ndarray:
    """The part of a mask that its True pixels span."""
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    return mask[y : y + h, x : x + w]


def _log_uniform(rng: np.random.Generator, limit: float) -> float:
    """A ratio between 1 / limit and limit, as likely above 1 as below."""
    return math.exp(rng.uniform(-math.log(limit), math.log(limit)))


def _lattice_position(pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Locate the pixel centres along an axis in the lattice: position in the cell, 0..1, and number of the cell."""
    position = (np.arange(pixels) + 0.5) * cells / pixels
    cell = position.astype(int)
    return (position - cell).astype(np.float32), cell


def _fade(t: np.ndarray) -> np.ndarray:
    """Perlin's weight of a lattice corner, 0 to 1 without a kink at the ends."""
    return t**3 * (t * (6 * t - 15) + 10)
