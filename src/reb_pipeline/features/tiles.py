"""Tiles of large images: the network computes tiles, and their patches form one grid; quick to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of

if TYPE_CHECKING:
    from reb_pipeline.features.backbones import Backbone


@dataclass(frozen=True)
class Tiles:
    """Overlapping tiles of an image; along an axis that is no longer than a tile, there is one.

    Attributes:
        image_size: Side, or height and width, of the image in pixels.
        tile_size: Side of a tile in pixels.
        overlap: Pixels that neighbouring tiles share; the last tile ends at the border and may share more.
        stride: Stride of the network's coarsest tapped map, in pixels.

    Raises:
        InputError: If a size is no multiple of the stride, or the overlap is not smaller than a tile.

    Example:
        >>> Tiles(image_size=256, tile_size=128, overlap=32, stride=32).starts
        ([0, 96, 128], [0, 96, 128])
        >>> Tiles(image_size=(64, 256), tile_size=128, overlap=0, stride=32).starts
        ([0], [0, 128])
    """

    image_size: Size
    tile_size: int
    overlap: int
    stride: int

    def __post_init__(self) -> None:
        sizes = [
            *(("image_size", length) for length in shape_of(self.image_size)),
            ("tile_size", self.tile_size),
            ("tile_overlap", self.overlap),
        ]
        for name, size in sizes:
            below = size // self.stride * self.stride
            if size != below:
                msg = (
                    f"features.{name} = {size} is no multiple of the network's stride of {self.stride} pixels, so that "
                    f"the patches of tiles would not line up: set it to {below} or {below + self.stride}."
                )
                raise InputError(msg)
        if self.overlap >= self.tile_size:
            msg = (
                f"features.tile_overlap = {self.overlap} leaves nothing of features.tile_size = {self.tile_size}: set "
                f"it to at most {self.tile_size - self.stride}."
            )
            raise InputError(msg)

    @property
    def starts(self) -> tuple[list[int], list[int]]:
        """First row, and first column, of the tiles in pixels."""
        rows, columns = map(self._along, shape_of(self.image_size))
        return rows, columns

    def features(
        self, engine: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, batch_size: int = 1
    ) -> np.ndarray:
        """Compute features tile by tile, and join their grids.

        Neighbouring tiles meet in the middle of their overlap. So each patch comes from the tile with the most context.

        Args:
            engine: Function from uint8 [batch, height, width, 3] of tiles to float32 [batch, h, w, channels].
            pixels: One image of the image size, uint8 [height, width, 3].
            batch_size: Tiles that the engine gets at once.

        Returns:
            float32 [h, w, channels] on the grid of the whole image.
        """
        size, shape = self.tile_size, shape_of(self.image_size)
        places = iter(product(*self.starts))
        grid = np.empty(0)
        while batch := list(islice(places, batch_size)):
            found = engine(
                np.stack([pixels[top : top + size, left : left + size] for top, left in batch])
            )
            patch = min(size, shape[0]) // found.shape[1]  # pixels
            if not grid.size:
                height, width = (length // patch for length in shape)
                grid = np.empty((height, width, found.shape[3]), found.dtype)
            kept_rows, kept_columns = (self._kept(length, patch) for length in shape)
            for (top, left), tile in zip(batch, found, strict=True):
                rows, columns, y, x = (
                    kept_rows[top],
                    kept_columns[left],
                    top // patch,
                    left // patch,
                )
                grid[rows, columns] = tile[
                    rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
                ]
        return grid

    def _along(self, length: int) -> list[int]:
        """List the first pixel of each tile along an axis."""
        last = max(length - self.tile_size, 0)
        return [*range(0, last, self.tile_size - self.overlap), last]

    def _kept(self, length: int, patch: int) -> dict[int, slice]:
        """Map the start of each tile along an axis to the patches of the image that are taken from it."""
        starts = self._along(length)
        meetings = [(a + self.tile_size + b) // 2 // patch for a, b in pairwise(starts)]
        ends = [0, *meetings, length // patch]
        return {start: slice(*ends) for start, ends in zip(starts, pairwise(ends), strict=True)}


def coarsest_stride(backbone: Backbone, size: Size) -> int:
    """Measure the stride of the coarsest tapped map, in pixels.

    Args:
        backbone: The backbone, on the CPU.
        size: Side, or height and width, in pixels that the backbone was built for.
    """
    import torch  # seconds to import

    def positions(size: Size) -> int:
        return min(m.shape[-1] for m in backbone(torch.zeros(1, 3, *shape_of(size))))

    with torch.inference_mode():
        try:
            return 64 // (positions(128) - positions(64))
        except (AssertionError, RuntimeError):  # a transformer has one size only
            return shape_of(size)[1] // positions(size)
