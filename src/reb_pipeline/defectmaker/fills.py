"""Fills: the pixels of synthetic defects (REB paper section 3.1.1, reference code DefectMaker/fill.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.images import ImageFiles, pixel_scale, resize
from reb_pipeline.images.arrays import check_rgb
from reb_pipeline.images.samples import HOLD_OUT_EVERY

PROBES = 16  # random pixels to try before all salient ones are listed


@dataclass(frozen=True, eq=False)
class Donor:
    """A good image that the fill ``cut_paste`` cuts from.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        saliency: Region to cut from, bool [H, W].
    """

    image: np.ndarray
    saliency: np.ndarray


@dataclass(frozen=True, eq=False)
class Material:
    """Images that fills are cut from.

    Attributes:
        donors: Good images with their saliency; any sequence, may open images lazily.
        textures: Images of other things, uint8 [H, W, 3] each.
        scale: Pixels of the target image per pixel of a 256 x 256 image.
    """

    donors: Sequence[Donor]
    textures: Sequence[np.ndarray]
    scale: float = 1.0


class TextureFolder(Sequence[np.ndarray]):
    """Images of a folder and its subfolders, opened on access.

    Args:
        path: The folder, on any fsspec file system.

    Raises:
        InputError: If the folder is missing or holds no image.
    """

    def __init__(self, path: str) -> None:
        self._files = ImageFiles(path, "Texture folder")
        self._paths = self._files.paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return self._files.read(self._paths[index])

    def part(self, held_out: bool) -> TextureFolder:
        """Select every tenth image, which is held out, or all others; a single image is in both parts."""
        chosen = copy(self)
        rest = [path for row, path in enumerate(self._paths) if row % HOLD_OUT_EVERY]
        chosen._paths = self._paths[::HOLD_OUT_EVERY] if held_out or not rest else rest
        return chosen


def draw_salient(rng: np.random.Generator, saliency: np.ndarray) -> tuple[int, int]:
    """Draw one salient pixel; all salient pixels are equally likely.

    Args:
        rng: Random generator.
        saliency: bool [H, W].

    Returns:
        Row and column.

    Raises:
        InputError: If nothing is salient.
    """
    flat = saliency.reshape(-1)
    probes = rng.integers(flat.size, size=PROBES)  # much cheaper than listing all salient pixels
    hits = probes[flat[probes]]
    if not len(hits):
        hits = rng.permutation(np.flatnonzero(flat))[:1]
    if not len(hits):
        msg = "The saliency map has no salient pixel: pass it through or_whole_image."
        raise InputError(msg)
    row, column = divmod(int(hits[0]), saliency.shape[1])
    return row, column


def noise(rng: np.random.Generator, box: tuple[int, int], material: Material) -> np.ndarray:
    """Draw noise of a random strength, each channel independently, stretched along either axis.

    Differs from the reference code, which derives both sides of the noise grid from the width of the box, by mistake.
    Here the height of the grid follows from the height of the box.
    """
    mean, spread = 10 * int(rng.integers(5, 20)), 5 * int(rng.integers(0, 10))
    grain = 2 ** rng.integers(0, 3) * material.scale
    aspect = 2.0 ** rng.integers(-2, 3)
    grid = max(1, int(box[0] / grain / aspect)), max(1, int(box[1] / grain * aspect))
    low, high = max(mean - spread, 0), min(mean + spread + 1, 255)
    return resize(rng.integers(low, high, (*grid, 3), dtype=np.uint8), box)


def cut_paste(rng: np.random.Generator, box: tuple[int, int], material: Material) -> np.ndarray:
    """Cut a piece around a salient pixel of a good image, drawn from all donors."""
    if not len(material.donors):
        msg = "Fill 'cut_paste' has no good image to cut from: give at least one donor."
        raise InputError(msg)
    donor = material.donors[int(rng.integers(len(material.donors)))]
    check_rgb(donor.image, "A donor")
    return _cut(donor.image, draw_salient(rng, donor.saliency), box, material.scale)


def texture(rng: np.random.Generator, box: tuple[int, int], material: Material) -> np.ndarray:
    """Cut a piece out of a texture image, as DRAEM does with the Describable Textures Dataset."""
    if not len(material.textures):
        msg = "Fill 'texture' has no image to cut from: give a folder of textures."
        raise InputError(msg)
    image = material.textures[int(rng.integers(len(material.textures)))]
    check_rgb(image, "A texture")
    centre = int(rng.integers(image.shape[0])), int(rng.integers(image.shape[1]))
    return _cut(image, centre, box, material.scale)


FILLS: dict[str, Callable[[np.random.Generator, tuple[int, int], Material], np.ndarray]] = {
    "noise": noise,
    "cut_paste": cut_paste,
    "texture": texture,
}
"""Fill functions by name: (rng, box height and width, material) -> uint8 [h, w, 3]."""


def _cut(
    image: np.ndarray, centre: tuple[int, int], box: tuple[int, int], scale: float
) -> np.ndarray:
    """Cut a box around a pixel, shifted to lie inside the image.

    The image is treated as if it had the size of the target image.
    """
    ratio = pixel_scale(image.shape[:2]) / scale
    spans = []
    for length, middle, side in zip(image.shape, centre, box, strict=False):
        cut = min(length, max(1, round(side * ratio)))
        start = min(max(middle - cut // 2, 0), length - cut)
        spans.append(slice(start, start + cut))
    return resize(image[tuple(spans)], box)
