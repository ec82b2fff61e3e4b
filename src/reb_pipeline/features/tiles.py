"""Tiles of large images: the network computes tiles, and their patches form one grid; quick to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from reb_pipeline.features.backbones import Backbone


@dataclass(frozen=True)
class Tiles:
    """Overlapping square tiles of a square image.

    Attributes:
        image_size: Side of the image in pixels.
        tile_size: Side of a tile in pixels, below that of the image.
        overlap: Pixels that neighbouring tiles share; the last tile ends at the border and may share more.
        stride: Stride of the network's coarsest tapped map, in pixels.

    Raises:
        InputError: If a size is no multiple of the stride, or the overlap is not smaller than a tile.

    Example:
        >>> Tiles(image_size=256, tile_size=128, overlap=32, stride=32).starts
        [0, 96, 128]
    """

    image_size: int
    tile_size: int
    overlap: int
    stride: int

    def __post_init__(self) -> None:
        sizes = {
            "image_size": self.image_size,
            "tile_size": self.tile_size,
            "tile_overlap": self.overlap,
        }
        for name, size in sizes.items():
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
    def starts(self) -> list[int]:
        """First pixel of each tile along either axis."""
        last = self.image_size - self.tile_size
        return [*range(0, last, self.tile_size - self.overlap), last]

    def features(
        self, engine: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray
    ) -> np.ndarray:
        """Compute features tile by tile, for all images together, and join their grids.

        Neighbouring tiles meet in the middle of their overlap. So each patch comes from the tile with the most context.

        Args:
            engine: Function from uint8 [batch, tile_size, tile_size, 3] to float32 [batch, n, n, channels].
            pixels: uint8 [batch, image_size, image_size, 3].

        Returns:
            float32 [batch, m, m, channels] with m / n = image_size / tile_size.
        """
        grids = np.empty(0)
        for top in self.starts:
            for left in self.starts:
                tile = pixels[:, top : top + self.tile_size, left : left + self.tile_size]
                grid = engine(np.ascontiguousarray(tile))
                patch = self.tile_size // grid.shape[1]  # pixels
                if not grids.size:
                    side = self.image_size // patch
                    grids = np.empty((len(pixels), side, side, grid.shape[3]), grid.dtype)
                rows, columns = self._kept(patch)[top], self._kept(patch)[left]
                y, x = top // patch, left // patch
                grids[:, rows, columns] = grid[
                    :, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
                ]
        return grids

    def _kept(self, patch: int) -> dict[int, slice]:
        """Map the start of each tile to the patches of the image that are taken from it, along either axis."""
        meetings = [(a + self.tile_size + b) // 2 // patch for a, b in pairwise(self.starts)]
        ends = [0, *meetings, self.image_size // patch]
        return {
            start: slice(*ends) for start, ends in zip(self.starts, pairwise(ends), strict=True)
        }


def coarsest_stride(backbone: Backbone, side: int) -> int:
    """Measure the stride of the coarsest tapped map, in pixels.

    Args:
        backbone: The backbone, on the CPU.
        side: Side in pixels that the backbone was built for.
    """
    import torch  # seconds to import

    def positions(side: int) -> int:
        return min(m.shape[-1] for m in backbone(torch.zeros(1, 3, side, side)))

    with torch.inference_mode():
        try:
            return 64 // (positions(128) - positions(64))
        except (AssertionError, RuntimeError):  # a transformer has one size only
            return side // positions(side)
