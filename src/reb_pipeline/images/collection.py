"""Samples of a category, and how to open the image and the masks of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np

from reb_pipeline.images.decoding import UnreadableImageError, decode_image, to_rgb
from reb_pipeline.images.folder import list_images

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem
    from PIL.Image import Image

SPLITS = ("train", "calibration", "test")


@dataclass(frozen=True)
class Sample:
    """One image of a category.

    Attributes:
        id: Path below the category's folder without extension, unique within the category.
        path: Path relative to the data root, parts separated by "/"; a URL where the file lies elsewhere.
        split: One of :data:`SPLITS`.
        label: 0 good, 1 anomalous.
        defect_type: "good" for good parts, else the layout's name of the defect.
        mask_paths: Masks of the defect relative to the data root; empty where there is none.
    """

    id: str
    path: str
    split: str
    label: int
    defect_type: str
    mask_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnavailableImages:
    """Stand-in for the images of a missing category, in studies.

    Attributes:
        category: Name of the category.
        reason: Why it is missing, one sentence.
    """

    category: str
    reason: str


class ImageCollection:
    """The samples of one category; images are opened one at a time and never kept.

    Args:
        filesystem: File system of the images.
        root: Data root on that file system.
        category: Name of the category.
        samples: The images, in the order in which every step sees them.
        stray_masks: Masks that belong to no image.
        region_kinds: Saturation (threshold, relative) of each grey value in masks whose files are
            one annotated region each (MVTec LOCO); empty for other layouts.
    """

    def __init__(
        self,
        filesystem: AbstractFileSystem,
        root: str,
        category: str,
        samples: Sequence[Sample],
        stray_masks: Sequence[str],
        region_kinds: Mapping[int, tuple[float, bool]],
    ) -> None:
        self._filesystem = filesystem
        self._root = root
        self.category = category
        self.stray_masks = list(stray_masks)
        self._samples = list(samples)
        self._region_kinds = dict(region_kinds)

    def __repr__(self) -> str:
        return f"ImageCollection({len(self._samples)} samples in '{self._root}')"

    @property
    def samples(self) -> list[Sample]:
        """The samples, in a fixed order."""
        return list(self._samples)

    @property
    def table(self) -> pd.DataFrame:
        """Table of the samples: a row a sample, a column a field of :class:`Sample`; mask_paths as lists."""
        import pandas as pd  # slow to import

        columns = {
            field.name: [getattr(sample, field.name) for sample in self._samples]
            for field in fields(Sample)
        }
        # Parquet stores lists, not tuples.
        columns["mask_paths"] = [list(paths) for paths in columns["mask_paths"]]
        return pd.DataFrame(columns)

    def without(self, split: str) -> ImageCollection:
        """Copy of the collection without the samples of one split."""
        return ImageCollection(
            self._filesystem,
            self._root,
            self.category,
            [sample for sample in self._samples if sample.split != split],
            self.stray_masks,
            self._region_kinds,
        )

    @property
    def has_regions(self) -> bool:
        """True if every mask file is one annotated region with a saturation threshold."""
        return bool(self._region_kinds)

    def read(self, path: str) -> bytes:
        """Read a file as it is.

        Args:
            path: Path relative to the data root, or the URL of a file anywhere.

        Raises:
            UnreadableImageError: If the file is missing or cannot be read.
        """
        try:
            with self._open(path) as file:
                return file.read()
        except (OSError, ValueError, ImportError) as error:  # the file, its protocol, its package
            raise UnreadableImageError(
                f"'{path}' in '{self._root}' cannot be read ({error}): put the file back, or take "
                "it out of the data."
            ) from error

    def address(self, path: str) -> str:
        """URL of a file, by which another collection can open it.

        Args:
            path: Path relative to the data root.
        """
        absolute = PurePosixPath(self._root, path).as_posix()
        return str(self._filesystem.unstrip_protocol(absolute))

    def open_image(self, path: str) -> np.ndarray:
        """Decode an image, upright as its EXIF orientation says.

        Args:
            path: See :meth:`read`.

        Returns:
            uint8 [H, W, 3] RGB; grey is repeated, 16 bits are scaled to 8, transparency dropped.

        Raises:
            UnreadableImageError: If the file is missing, broken, or has 32-bit pixels.
        """
        return to_rgb(self.decode(path, self.read(path)), self._name(path))

    def open_mask(self, mask_paths: Sequence[str]) -> np.ndarray:
        """Unite the masks of one image.

        Args:
            mask_paths: At least one path relative to the data root.

        Returns:
            bool [H, W], true where any mask is not zero.

        Raises:
            UnreadableImageError: If a mask is missing or broken, or the masks differ in size.
        """
        masks = [self._decode_mask(path) > 0 for path in mask_paths]
        if len({mask.shape for mask in masks}) != 1:
            raise UnreadableImageError(
                f"The masks {list(mask_paths)} in '{self._root}' are not one or more of the same "
                f"size (height, width): {[mask.shape for mask in masks]}."
            )
        return np.logical_or.reduce(masks)

    def open_regions(self, mask_paths: Sequence[str]) -> list[tuple[np.ndarray, float, bool]]:
        """Open each annotated region of one image with its saturation; for MVTec LOCO only.

        Args:
            mask_paths: Paths relative to the data root, one region each.

        Returns:
            (mask bool [H, W], saturation_threshold, relative_saturation) of each region; the
            threshold is a share of the region's area if relative, else in pixels.

        Raises:
            UnreadableImageError: If a mask is missing or broken, or its grey value names no defect.
        """
        regions = []
        for path in mask_paths:
            mask = self._decode_mask(path)
            value = int(mask.max())
            if value not in self._region_kinds:
                raise UnreadableImageError(
                    f"Mask '{path}' in '{self._root}' has grey value {value}, which is none of "
                    f"{sorted(self._region_kinds)} in the category's defects_config.json: use the "
                    "masks and the configuration of one download."
                )
            regions.append((mask > 0, *self._region_kinds[value]))
        return regions

    def decode(self, path: str, data: bytes) -> Image:
        """Decode the bytes of a file, upright as its EXIF orientation says.

        Args:
            path: Path relative to the data root, for the error.
            data: The bytes of the file.

        Raises:
            UnreadableImageError: If the bytes are broken or no image.
        """
        return decode_image(data, self._name(path))

    def _open(self, path: str) -> Any:
        if "://" in path:  # an image that was added from elsewhere
            return fsspec.open(path, "rb")
        return self._filesystem.open(PurePosixPath(self._root, path).as_posix(), "rb")

    def _name(self, path: str) -> str:
        return f"'{path}' in '{self._root}'"

    def _decode_mask(self, path: str) -> np.ndarray:
        """Decode a mask to [H, W], the brightest channel of each pixel; grey values stay as they are."""
        image = self.decode(path, self.read(path))
        if image.mode in ("P", "PA", "LA", "RGBA", "CMYK"):
            # A palette's index says nothing, and an opaque alpha channel marks nothing.
            image = image.convert("RGB")
        pixels = np.asarray(image)
        return pixels if pixels.ndim == 2 else pixels.max(axis=2)


def loose_images(path: str, category: str | None = None) -> ImageCollection:
    """List the images of a folder and of all folders below it, hidden ones left out; none is opened.

    Args:
        path: Path or URL (any fsspec file system) of the folder.
        category: Name of the collection; None takes the folder's name.

    Returns:
        One sample an image, sorted. Its id is its path relative to the folder, with the extension, because two files
        may differ in nothing else. Its label is unknown, so it counts as good, of the split ``calibration``.

    Raises:
        InputError: The folder is missing, cannot be listed, or holds no image.
    """
    filesystem, paths = list_images(path)
    samples = [Sample(image, image, "calibration", 0, "good") for image in paths]
    name = PurePosixPath(filesystem.path).name if category is None else category
    return ImageCollection(filesystem.fs, filesystem.path, name, samples, [], {})
