"""Composed images: parts of two sizes in a grid, cut from good photos, whose logic is known.

The rule of a good image: every place of the grid has one part, large and small parts alternate as on a chessboard.
Which photo a part comes from, its brightness, its exact place, and the light on the background vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.images import resize
from reb_pipeline.defectmaker.logical import Scene
from reb_pipeline.defectmaker.streams import Purpose, random_stream

SIZES = 0.66, 0.42  # longer side of a large and of a small part, shares of a place of the grid
SHIFT = 0.04  # largest shift of a part along either axis, share of a place
GAIN = 0.05  # largest change of a part's brightness
GREY = 90  # level of the background
LIGHT = 6  # slope of its light, from the centre to a border
NOISE = 1.5  # standard deviation of its noise


@dataclass(frozen=True)
class Composer:
    """Composes good images; the same arguments give the same bytes.

    Attributes:
        donors: Good photos of single parts with their saliency; any sequence, may open images lazily.
        rows: Rows of the grid.
        columns: Columns of the grid.
        side: Side of the composed images in pixels.

    Example:
        >>> donor = Donor(np.full((32, 32, 3), 200, np.uint8), np.ones((32, 32), bool))
        >>> scene = Composer([donor], rows=2, columns=3, side=96).compose(seed=0, index=0)
        >>> scene.image.shape, len(scene.parts), list(scene.kinds)
        ((96, 96, 3), 6, [0, 1, 0, 1, 0, 1])
    """

    donors: Sequence[Donor]
    rows: int = 3
    columns: int = 3
    side: int = 256

    def compose(self, seed: int, index: int, name: str = "composed") -> Scene:
        """Compose one good image.

        Args:
            seed: Seed of the whole set of images, not negative.
            index: Number of this image, not negative.
            name: Name of the part of the set; no two share a draw.
        """
        rng = random_stream(Purpose.LOGICAL, seed, index, name)
        background = self._background(rng)
        image, parts, kinds = background.copy(), [], []
        for row in range(self.rows):
            for column in range(self.columns):
                kind = (row + column) % 2
                parts.append(self._place(rng, image, (row, column), SIZES[kind]))
                kinds.append(kind)
        return Scene(image, parts, kinds, background)

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[-1 : 1 : self.side * 1j, -1 : 1 : self.side * 1j]
        light = LIGHT * (np.cos(angle) * x + np.sin(angle) * y)
        noisy = GREY + light + rng.normal(0, NOISE, light.shape)
        return np.repeat(np.rint(noisy).astype(np.uint8)[..., None], 3, axis=2)

    def _place(
        self, rng: np.random.Generator, image: np.ndarray, at: tuple[int, int], size: float
    ) -> np.ndarray:
        """Draw a part of a drawn photo on the image; return its mask."""
        donor = self.donors[int(rng.integers(len(self.donors)))]
        cell = self.side / self.rows, self.side / self.columns
        pixels, mask = _cut_out(donor, size * min(cell))
        bright = np.clip(pixels * (1 + rng.uniform(-GAIN, GAIN)), 0, 255).astype(np.uint8)
        shift = rng.uniform(-SHIFT, SHIFT, 2)
        top, left = (
            round((number + 0.5 + move) * length - side / 2)
            for number, move, length, side in zip(at, shift, cell, mask.shape, strict=True)
        )
        box = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
        image[box][mask] = bright[mask]
        there = np.zeros(image.shape[:2], bool)
        there[box] = mask
        return there


def _cut_out(donor: Donor, longer_side: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut the salient box out of a photo and resize it, uint8 [h, w, 3] and bool [h, w]."""
    x, y, w, h = cv2.boundingRect(donor.saliency.astype(np.uint8))
    box = slice(y, y + h), slice(x, x + w)
    scale = longer_side / max(h, w)
    size = max(1, round(h * scale)), max(1, round(w * scale))
    mask = cv2.resize(
        donor.saliency[box].astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA
    )
    return resize(donor.image[box], size), mask >= 0.5 * mask.max()
