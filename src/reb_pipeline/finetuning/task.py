"""Proxy task: classify good images and the kinds of synthetic defects."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.core.storage import mapped_array
from reb_pipeline.defectmaker.color import color_jitter
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker

# The 9 equally likely transposes of the reference code (Data/transforms.py), as (quarter turns, True if flipped from
# left to right before). The flip and the transverse appear twice, as there.
TRANSPOSES = (
    (0, False), (1, False), (2, False), (3, False), (0, True), (0, True), (1, True), (3, True), (3, True)
)  # fmt: skip
MAX_WORKERS = 8


_ORDER = 1  # separates the random numbers of the order from those of the images


@dataclass(frozen=True)
class CachedImages:
    """Resized good images and their saliency in two memory-mapped files.

    Worker processes share the pages of the files, and the operating system may drop them from memory.

    Attributes:
        folder: Folder of ``images.npy`` and ``saliency.npy``.
    """

    folder: Path

    @classmethod
    def write(cls, folder: Path, images: Iterable[Donor], count: int, size: Size) -> "CachedImages":
        """Write the files.

        Args:
            folder: An existing folder.
            images: The images with their saliency.
            count: Number of images.
            size: Side, or height and width, of the images in pixels.

        Raises:
            StorageError: If the disk has too little space.
        """
        shape = (count, *shape_of(size))
        pixels = mapped_array(folder / "images.npy", np.uint8, (*shape, 3))
        saliency = mapped_array(folder / "saliency.npy", np.bool_, shape)
        for index, donor in enumerate(images):
            pixels[index], saliency[index] = donor.image, donor.saliency
        return cls(folder)

    def open(self) -> tuple[np.ndarray, np.ndarray]:
        """Map both files into memory: uint8 [count, height, width, 3] RGB and bool [count, height, width]."""
        pixels = np.load(self.folder / "images.npy", mmap_mode="r")
        saliency = np.load(self.folder / "saliency.npy", mmap_mode="r")
        return pixels, saliency


class SyntheticTask(Dataset[np.ndarray]):
    """Endless series of good images, each with one synthetic defect of every kind.

    Item i depends on images, kinds, textures, seed and i only: any process can draw it, in any order.

    Args:
        images: The good images.
        kinds: Kinds of defects. Label 0 is a good image, label k the kind k - 1.
        textures: Images for the fill ``texture``.
        seed: Seed of the order of the images, their augmentation and their defects.
    """

    def __init__(
        self,
        images: CachedImages,
        kinds: Sequence[DefectKind],
        textures: Sequence[np.ndarray] | None,
        seed: int,
    ) -> None:
        self._images = images
        self.kinds = list(kinds)
        self._textures = textures
        self._seed = seed

    def __getitem__(self, position: int) -> np.ndarray:
        """Draw one good image and its defects, uint8 [1 + kinds, height, width, 3] RGB."""
        pixels, saliency = self._images.open()
        epoch, step = divmod(position, len(pixels))
        order = np.random.default_rng([self._seed, epoch, _ORDER]).permutation(len(pixels))
        rng = np.random.default_rng([self._seed, position])
        image, salient = augment(rng, pixels[order[step]], saliency[order[step]])
        maker = DefectMaker(_AugmentedDonors(pixels, saliency, rng), self._textures)
        defects = [
            maker.make(image, salient, kind, self._seed, position).image for kind in self.kinds
        ]
        return np.stack([image, *defects])

    def passes(self, start: int, stop: int, images_per_pass: int) -> Iterator[torch.Tensor]:
        """Draw items in worker processes, ahead of the network.

        Args:
            start: Number of the first item.
            stop: Number after the last item.
            images_per_pass: Items in a pass.

        Yields:
            uint8 [images_per_pass * (1 + kinds), height, width, 3]; the labels repeat 0, 1, …, kinds.
        """
        # A worker forked while OpenCV has threads would wait for them for ever.
        cv2.setNumThreads(1)
        workers = max(1, min(MAX_WORKERS, (os.cpu_count() or 1) - 1))
        loader = DataLoader(
            self,
            batch_size=images_per_pass,
            sampler=range(start, stop),
            num_workers=workers,
            collate_fn=np.concatenate,  # tensors would need shared memory, of which a container has little
            # Spawned workers would import PyTorch again, but only Linux has a safe fork.
            multiprocessing_context="fork" if sys.platform == "linux" else None,
        )
        return map(torch.from_numpy, loader)


class _AugmentedDonors(Sequence[Donor]):
    """Donors that are augmented on access, as in the reference code."""

    def __init__(self, pixels: np.ndarray, saliency: np.ndarray, rng: np.random.Generator) -> None:
        self._pixels, self._saliency, self._rng = pixels, saliency, rng

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: Any) -> Any:
        return Donor(*augment(self._rng, self._pixels[index], self._saliency[index]))


def augment(
    rng: np.random.Generator, image: np.ndarray, saliency: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Jitter the colours by 0.1, then turn or flip by one of 9 transposes (reference code ``main.py``).

    An image that is no square is not turned by a quarter.

    Args:
        rng: Random generator.
        image: uint8 [height, width, 3] RGB.
        saliency: bool [height, width].

    Returns:
        New arrays of the same shapes.
    """
    image = color_jitter(rng, image)
    is_square = saliency.shape[0] == saliency.shape[1]
    transposes = [one for one in TRANSPOSES if is_square or one[0] % 2 == 0]
    turns, flips = transposes[rng.integers(len(transposes))]
    turned = [np.rot90(array[:, ::-1] if flips else array, turns) for array in (image, saliency)]
    return np.ascontiguousarray(turned[0]), np.ascontiguousarray(turned[1])
