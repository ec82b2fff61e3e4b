"""Samples whose images lie together in a few large files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.images.collection import ImageCollection, Sample

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class PackedImages(ImageCollection):
    """Collection that holds the pixels of its samples and opens each like a PNM file.

    Args:
        filesystem: File system of the large files.
        root: Data root on that file system.
        category: Name of the category.
        samples: The images, in the order in which every step sees them.
        pixels: uint8 [rows, columns] or [rows, columns, 3] of the path of each sample.
    """

    def __init__(
        self,
        filesystem: AbstractFileSystem,
        root: str,
        category: str,
        samples: Sequence[Sample],
        pixels: Mapping[str, np.ndarray],
    ) -> None:
        super().__init__(filesystem, root, category, samples, [], {})
        self._pixels = {sample.path: pixels[sample.path] for sample in samples}

    def without(self, split: str) -> PackedImages:
        """Copy of the collection without the samples of one split."""
        rest = super().without(split)
        return PackedImages(self._filesystem, self._root, self.category, rest.samples, self._pixels)

    def _open(self, path: str) -> Any:
        if path in self._pixels:
            return io.BytesIO(pnm_file(self._pixels[path]))
        return super()._open(path)  # an image that was added from elsewhere


def pnm_file(pixels: np.ndarray) -> bytes:
    """Encode pixels as a PGM or PPM file, uncompressed formats that every image decoder reads.

    Args:
        pixels: uint8 [rows, columns] grey, or [rows, columns, 3] RGB.
    """
    rows, columns = pixels.shape[:2]
    kind = "P5" if pixels.ndim == 2 else "P6"
    return f"{kind} {columns} {rows} 255\n".encode() + pixels.tobytes()
