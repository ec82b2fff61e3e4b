"""Samples whose images are packed into a few large files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.images.decoding import DecodedImage

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class PackedImages(ImageCollection):
    """Collection that holds its images in memory; the bytes of each are those of a PNM file.

    Args:
        filesystem: File system of the large files.
        root: Data root on that file system.
        category: Name of the category.
        samples: The samples, in the order that every step uses.
        pixels: Pixels by the path of the sample, uint8 [rows, columns] or [rows, columns, 3].
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
        """Copy the collection without the samples of one split."""
        rest = super().without(split)
        return PackedImages(self._filesystem, self._root, self.category, rest.samples, self._pixels)

    def decode(self, path: str, data: bytes, side: int | None = None) -> DecodedImage:
        """Return the pixels of an image; a file from outside is decoded."""
        if path not in self._pixels:
            return super().decode(path, data, side)
        pixels = self._pixels[path]
        return DecodedImage(pixels, "L" if pixels.ndim == 2 else "RGB")

    def _read(self, path: str) -> bytes:
        if path in self._pixels:
            return pnm_file(self._pixels[path])
        return super()._read(path)  # an image from outside the large files


def pnm_file(pixels: np.ndarray) -> bytes:
    """Encode pixels as an uncompressed PGM or PPM file, which every image decoder can read.

    Args:
        pixels: uint8 [rows, columns] grey, or [rows, columns, 3] RGB.
    """
    rows, columns = pixels.shape[:2]
    kind = "P5" if pixels.ndim == 2 else "P6"
    return f"{kind} {columns} {rows} 255\n".encode() + pixels.tobytes()
