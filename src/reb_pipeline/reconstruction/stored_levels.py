"""Features of many images in a file, by level, for a training that reads them repeatedly in any order."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import writing

Shape = tuple[int, int, int]  # height, width, channels of a level

_LARGEST = np.finfo(np.float16).max
_BATCH = 16  # images read at once


@dataclass(frozen=True, eq=False)
class StoredLevels:
    """Features of many images, one row per image with all levels, in half precision.

    The rows are memory-mapped, so the operating system may drop their pages from memory.

    Attributes:
        rows: float16 [images, sum of h · w · channels over levels], a memory map.
        shapes: Shape of every level, finest first; empty without images.
        digest: Hash of all features.
    """

    rows: np.ndarray
    shapes: list[Shape]
    digest: str

    @classmethod
    def write(cls, path: Path, levels: Iterable[tuple[str, list[np.ndarray]]]) -> "StoredLevels":
        """Write features to a file and map it into memory.

        Args:
            path: Path of the file.
            levels: (id, float32 [h, w, channels] of every level, finest first) of each image.

        Raises:
            InputError: If the shapes of the levels differ between images, or the disk has too little space.
        """
        digest, shapes, n_images = hashlib.blake2b(digest_size=16), None, 0
        with path.open("wb") as file:
            for _, grids in levels:
                shapes = shapes or shapes_of(grids)
                check_shapes(grids, shapes)
                row = np.concatenate([grid.ravel() for grid in grids])
                data = row.clip(-_LARGEST, _LARGEST).astype(np.float16).tobytes()
                digest.update(data)
                with writing(path, (n_images + 1) * len(data)):
                    file.write(data)
                n_images += 1
        rows = np.memmap(path, np.float16, "r") if n_images else np.empty(0, np.float16)
        return cls(rows.reshape(n_images, -1 if n_images else 0), shapes or [], digest.hexdigest())

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: np.ndarray) -> list[torch.Tensor]:
        """Get the levels of some images, float16 [len(indices), h, w, channels] each."""
        rows = torch.from_numpy(self.rows[indices])
        parts = rows.split([int(np.prod(shape)) for shape in self.shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def statistics(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Compute mean and standard deviation of every channel over images and positions.

        Returns:
            (mean, standard deviation) of every level, float64 [channels] each.
        """
        batches = np.array_split(np.arange(len(self)), -(-len(self) // _BATCH))
        sums = [torch.zeros(2, shape[2], dtype=torch.float64) for shape in self.shapes]
        for indices in batches:
            for level, total in zip(self.batch(indices), sums, strict=True):
                features = level.flatten(0, 2).double()
                total.add_(torch.stack([features.sum(dim=0), features.square().sum(dim=0)]))
        found = []
        for (height, width, _), total in zip(self.shapes, sums, strict=True):
            mean, square = total / (len(self) * height * width)
            found.append((mean, (square - mean.square()).clamp(min=0).sqrt()))
        return found


def shapes_of(levels: Iterable[np.ndarray]) -> list[Shape]:
    """List height, width and channels of levels, [..., h, w, channels] each."""
    shapes = [level.shape[-3:] for level in levels]
    return [(height, width, channels) for height, width, channels in shapes]


def check_shapes(levels: Sequence[np.ndarray], shapes: Sequence[Shape]) -> None:
    """Check that levels have the shapes of a decoder.

    Args:
        levels: [..., h, w, channels] each.
        shapes: Expected shapes.

    Raises:
        InputError: If they differ.
    """
    given = shapes_of(levels)
    if given != list(shapes):
        msg = (
            f"Features of the shapes {given} are not those that the decoder was trained on, {list(shapes)}: take the "
            f"backbone, layers and image size it was trained with, or train it again."
        )
        raise InputError(msg)
