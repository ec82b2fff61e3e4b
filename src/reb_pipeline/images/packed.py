"""A collection whose images lie together in a few large files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.images.collection import ImageCollection, Sample

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class PackedImages(ImageCollection):
    """Samples without files of their own: their pixels are held, and each opens as if it were a PNM file.

    Args:
        filesystem: where the large files lie.
        root: the data root on that file system.
        category: the category's name.
        samples: the images, in the order in which every step sees them.
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
        """The images of the other splits."""
        rest = super().without(split)
        return PackedImages(self._filesystem, self._root, self.category, rest.samples, self._pixels)

    def _open(self, path: str) -> Any:
        if path in self._pixels:
            return io.BytesIO(pnm_file(self._pixels[path]))
        return super()._open(path)  # an image that was added from elsewhere


def pnm_file(pixels: np.ndarray) -> bytes:
    """The bytes of a PGM or PPM file, the plainest formats that every decoder of images knows.

    Args:
        pixels: uint8 [rows, columns] grey, or [rows, columns, 3] RGB.
    """
    rows, columns = pixels.shape[:2]
    kind = "P5" if pixels.ndim == 2 else "P6"
    return f"{kind} {columns} {rows} 255\n".encode() + pixels.tobytes()
