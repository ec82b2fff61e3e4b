"""Image files and image sizes for DefectMaker."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import Any

import cv2
import fsspec
import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.folder import IMAGE_SUFFIXES, list_folder, read_file

REFERENCE_SIDE = 256  # px: the pixel sizes in the paper are for images of this side


def pixel_scale(size: tuple[int, int]) -> float:
    """Compute the factor for lengths that are given for an image of 256 x 256 pixels.

    Args:
        size: Height and width in pixels.
    """
    return math.sqrt(size[0] * size[1]) / REFERENCE_SIDE


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize along each axis: shrink by area, enlarge bicubically.

    Results are close to those of Pillow's default filter.

    Args:
        image: uint8 [h, w] or [h, w, channels].
        size: New height and width in pixels.
    """
    smaller = min(size[0], image.shape[0]), min(size[1], image.shape[1])
    if smaller != image.shape[:2]:
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
    return image


class ImageFiles:
    """Images of a folder and its subfolders on any fsspec file system, without hidden files.

    Args:
        folder: Path or URL of the folder.
        what: Purpose of the folder, the subject of the error's sentence.

    Attributes:
        paths: Path of each image relative to the folder, sorted.

    Raises:
        InputError: If the folder is missing or holds no image.
    """

    def __init__(self, folder: str, what: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(folder)
        self._root = PurePosixPath(root)
        if not self._fs.isdir(root):
            msg = f"{what} '{folder}' does not exist: correct the path."
            raise InputError(msg)
        self.paths = list_folder(self._fs, root).images
        if not self.paths:
            msg = f"{what} '{folder}' holds no image: put images there ({', '.join(sorted(IMAGE_SUFFIXES))})."
            raise InputError(msg)

    def read(self, path: str, flags: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
        """Read an image.

        Args:
            path: One of ``paths``.
            flags: Flags of OpenCV's ``imdecode``.

        Returns:
            uint8 [H, W, 3], RGB, or the format that the flags ask for.

        Raises:
            InputError: If the file is not a readable image.
        """
        try:
            data: Any = np.frombuffer(read_file(self._fs, str(self._root / path)), np.uint8)
        except OSError as error:
            msg = f"'{self._root / path}' cannot be read ({error}): replace or remove it."
            raise InputError(msg) from error
        image = cv2.imdecode(data, flags) if data.size else None
        if image is None:
            msg = f"'{self._root / path}' is not a readable image: replace or remove it."
            raise InputError(msg)
        return image


def is_grey(image: np.ndarray) -> bool:
    """Check an image for colour, on every eighth pixel of both axes.

    Args:
        image: uint8 [H, W, 3].

    Returns:
        True if none of these pixels has a colour.
    """
    sample = image[::8, ::8]
    return bool((sample == sample[:, :, :1]).all())
