"""Logical defects: a part that is missing, too many, misplaced or exchanged, while every patch looks good.

Parts are found by their masks. A place that a part leaves is filled with the background, which is given or inpainted.
MVTec LOCO AD calls such defects logical anomalies (Bergmann et al., IJCV 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.defectmaker.streams import Purpose, random_stream
from reb_pipeline.images.arrays import check_rgb

PLACES = 64  # places that are tried for a part
INPAINTED_AROUND = 3  # px that a mask grows by before its inside is inpainted
SMALLEST_PART = 0.002  # share of the image; less is a speck of the saliency map


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and the parts in it.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        parts: Mask of each part, bool [H, W]; they do not overlap.
        kinds: Kind of each part; parts of one kind can be exchanged without a defect.
        background: The image without its parts, uint8 [H, W, 3]; None to inpaint it.
    """

    image: np.ndarray
    parts: Sequence[np.ndarray]
    kinds: Sequence[int]
    background: np.ndarray | None = None

    @classmethod
    def of_saliency(cls, image: np.ndarray, saliency: np.ndarray) -> Scene:
        """Take the connected regions of a saliency map as parts, each of a kind of its own.

        Args:
            image: uint8 [H, W, 3], RGB.
            saliency: bool [H, W].
        """
        count, regions = cv2.connectedComponents(saliency.astype(np.uint8))
        masks = [regions == number for number in range(1, count)]
        parts = [mask for mask in masks if mask.mean() >= SMALLEST_PART]
        return cls(image, parts, range(len(parts)))


@dataclass(frozen=True, eq=False)
class LogicalDefect:
    """An image with a logical defect.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        mask: Places that a part left or came to, bool [H, W].
        kind: A key of :data:`LOGICAL_KINDS`.
        seed: Seed of the set of defects, as given.
        index: Number of the defect, as given.
    """

    image: np.ndarray
    mask: np.ndarray
    kind: str
    seed: int
    index: int


@dataclass(frozen=True, eq=False)
class _Piece:
    """A part cut out: pixels, mask and place of its box."""

    pixels: np.ndarray
    mask: np.ndarray
    corner: tuple[int, int]

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray) -> _Piece:
        x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
        box = slice(y, y + h), slice(x, x + w)
        return cls(image[box], mask[box], (y, x))

    @property
    def centre(self) -> tuple[int, int]:
        (y, x), (h, w) = self.corner, self.mask.shape
        return y + h // 2, x + w // 2

    def around(self, centre: tuple[int, int], size: tuple[int, ...]) -> _Piece:
        """Move the piece to a centre, but not over the border of an image of a size."""
        y, x = (
            int(np.clip(at - side // 2, 0, length - side))
            for at, side, length in zip(centre, self.mask.shape, size, strict=False)
        )
        return replace(self, corner=(y, x))

    def where(self, size: tuple[int, ...]) -> np.ndarray:
        """Mask of the piece in an image of a size, bool [H, W]."""
        there = np.zeros(size[:2], bool)
        there[self._box] = self.mask
        return there

    def paste(self, image: np.ndarray) -> None:
        """Draw the piece on an image."""
        image[self._box][self.mask] = self.pixels[self.mask]

    @property
    def _box(self) -> tuple[slice, slice]:
        (y, x), (h, w) = self.corner, self.mask.shape
        return slice(y, y + h), slice(x, x + w)


def make_logical_defect(scene: Scene, kind: str, seed: int, index: int) -> LogicalDefect:
    """Make one logical defect; the same arguments give the same bytes.

    Args:
        scene: A good image and its parts; not changed.
        kind: A key of :data:`LOGICAL_KINDS`.
        seed: Seed of the whole set of defects, not negative.
        index: Number of this defect, not negative.

    Raises:
        InputError: If the kind is unknown, or the scene has too few parts for it, or masks of another size.

    Example:
        >>> image = np.zeros((64, 64, 3), np.uint8)
        >>> part = np.zeros((64, 64), bool)
        >>> part[8:24, 8:24] = True
        >>> image[part] = 255
        >>> defect = make_logical_defect(Scene(image, [part], [0], np.zeros_like(image)), "remove", seed=0, index=0)
        >>> int(defect.image.max()), bool((defect.mask == part).all())
        (0, True)
    """
    check_known([kind], list(LOGICAL_KINDS), "Logical defect")
    _check(scene)
    rng = random_stream(Purpose.LOGICAL, seed, index, kind)
    image = scene.image.copy()
    places = LOGICAL_KINDS[kind](rng, scene, image)
    return LogicalDefect(image, np.any(places, axis=0), kind, int(seed), int(index))


def _remove(rng: np.random.Generator, scene: Scene, image: np.ndarray) -> list[np.ndarray]:
    chosen = scene.parts[int(rng.integers(len(scene.parts)))]
    _clear(image, scene, chosen)
    return [chosen]


def _duplicate(rng: np.random.Generator, scene: Scene, image: np.ndarray) -> list[np.ndarray]:
    chosen = scene.parts[int(rng.integers(len(scene.parts)))]
    copy = _free_place(rng, _Piece.of(image, chosen), np.any(scene.parts, axis=0))
    copy.paste(image)
    return [copy.where(image.shape)]


def _move(rng: np.random.Generator, scene: Scene, image: np.ndarray) -> list[np.ndarray]:
    chosen = scene.parts[int(rng.integers(len(scene.parts)))]
    piece = _Piece.of(scene.image, chosen)
    moved = _free_place(rng, piece, np.any(scene.parts, axis=0))
    _clear(image, scene, chosen)
    moved.paste(image)
    return [chosen, moved.where(image.shape)]


def _swap(rng: np.random.Generator, scene: Scene, image: np.ndarray) -> list[np.ndarray]:
    kinds = np.asarray(scene.kinds)
    first, second = np.nonzero(kinds[:, None] != kinds)
    if not len(first):
        msg = "A swap needs parts of two kinds, but all parts of the scene are of one: choose another defect."
        raise InputError(msg)
    pair = int(rng.integers(len(first)))
    masks = [scene.parts[first[pair]], scene.parts[second[pair]]]
    pieces = [_Piece.of(scene.image, mask) for mask in masks]
    for mask in masks:
        _clear(image, scene, mask)
    moved = [
        piece.around(other.centre, image.shape)
        for piece, other in zip(pieces, reversed(pieces), strict=True)
    ]
    for piece in moved:
        piece.paste(image)
    return [*masks, *(piece.where(image.shape) for piece in moved)]


LOGICAL_KINDS: dict[str, Callable[[np.random.Generator, Scene, np.ndarray], list[np.ndarray]]] = {
    "remove": _remove,
    "duplicate": _duplicate,
    "swap": _swap,
    "move": _move,
}
"""Logical defects by name: (rng, scene, copy of its image to change) -> masks of the changed places."""


def _clear(image: np.ndarray, scene: Scene, mask: np.ndarray) -> None:
    """Fill a place with the background."""
    if scene.background is not None:
        image[mask] = scene.background[mask]
        return
    around = np.ones((2 * INPAINTED_AROUND + 1,) * 2, np.uint8)
    grown = cv2.dilate(mask.astype(np.uint8), around)
    image[:] = cv2.inpaint(image, grown, INPAINTED_AROUND, cv2.INPAINT_TELEA)


def _free_place(rng: np.random.Generator, piece: _Piece, taken: np.ndarray) -> _Piece:
    """Move a piece to a drawn place: the first that is free of parts, or the one that covers least of them."""
    heights, widths = (
        rng.integers(0, length - side + 1, PLACES)
        for length, side in zip(taken.shape, piece.mask.shape, strict=True)
    )
    best, least = piece, taken.size
    for y, x in zip(heights, widths, strict=True):
        there = replace(piece, corner=(int(y), int(x)))
        covered = int(np.count_nonzero(taken[there._box] & piece.mask))
        if covered < least:
            best, least = there, covered
        if not covered:
            break
    return best


def _check(scene: Scene) -> None:
    check_rgb(scene.image, "The image")
    if not scene.parts:
        msg = "The scene has no part, so that none can be missing or misplaced: give the masks of its parts."
        raise InputError(msg)
    if len(scene.kinds) != len(scene.parts):
        msg = f"The scene has {len(scene.parts)} parts and {len(scene.kinds)} kinds: give one kind for each part."
        raise InputError(msg)
    for mask in scene.parts:
        if mask.dtype != bool or mask.shape != scene.image.shape[:2] or not mask.any():
            msg = (
                f"The mask of a part is {mask.dtype} {list(mask.shape)} for an image of {list(scene.image.shape[:2])}: "
                f"give bool of the image's height and width, with at least one pixel."
            )
            raise InputError(msg)
