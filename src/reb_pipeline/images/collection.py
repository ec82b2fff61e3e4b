"""Samples of a category, with access to their images and masks."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import fsspec
import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import to_text
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.decoding import (
    DecodedImage,
    UnreadableImageError,
    decode_image,
    to_rgb,
)
from reb_pipeline.images.folder import archive_of, list_images, read_file
from reb_pipeline.images.good_files import channels_among, range_of_files
from reb_pipeline.images.listed import SPLITS, Sample, UnavailableImages
from reb_pipeline.images.masks import Color, defective_pixels, mask_doubts, pixels_of_colors
from reb_pipeline.images.shown import SHOWN_SIDE, shown
from reb_pipeline.images.value_range import ValueRange

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem

__all__ = ["SPLITS", "ImageCollection", "Sample", "UnavailableImages", "loose_images"]


class ImageCollection:
    """Samples of one category; images are opened one at a time and not kept.

    Args:
        filesystem: File system of the images.
        root: Data root on that file system.
        category: Name of the category.
        samples: The samples, in the order that every step uses.
        stray_masks: Masks that belong to no image.
        region_kinds: Saturation (threshold, relative) for each grey value of a mask, where each mask file is one
            annotated region (MVTec LOCO); empty for other layouts.
        value_range: Range of the values of images with more than 8 bits; None takes it from the good training images,
            see :attr:`value_range`.
        not_read: Paths of what lies beside the images and is not read, by kind, see
            :data:`reb_pipeline.images.folder.NOT_READ`.
        defect_colors: RGB colours of defects in the masks; empty where masks are grey, 0 for good pixels.
        channels: Channels that are picked from files, see :attr:`channels`; None reads grey and RGB files.
        group_by: Regular expression that tells the parts of several views apart; None where each image is a part.

    Example:
        >>> good = Sample("good/000", "tile/good/000.png", "train", 0, "good")
        >>> cracked = Sample("crack/000", "tile/crack/000.png", "test", 1, "crack")
        >>> images = ImageCollection(fsspec.filesystem("memory"), "/data", "tile", [good, cracked], [], {})
        >>> images.table["split"].tolist()
        ['train', 'test']
        >>> [sample.id for sample in images.without("train").samples]
        ['crack/000']
    """

    def __init__(
        self,
        filesystem: AbstractFileSystem,
        root: str,
        category: str,
        samples: Sequence[Sample],
        stray_masks: Sequence[str],
        region_kinds: Mapping[int, tuple[float, bool]],
        value_range: ValueRange | None = None,
        not_read: Mapping[str, Sequence[str]] | None = None,
        defect_colors: Collection[Color] = (),
        channels: Channels | None = None,
        group_by: str | None = None,
    ) -> None:
        self._filesystem = filesystem
        self._root = root
        self._shown = root or archive_of(filesystem)
        self.category = category
        self.stray_masks = list(stray_masks)
        self.not_read = {kind: list(paths) for kind, paths in (not_read or {}).items()}
        self._samples = list(samples)
        self._region_kinds = dict(region_kinds)
        self._declared_range = value_range
        self._defect_colors = frozenset(defect_colors)
        self._declared_channels = channels
        self.group_by = group_by

    def __repr__(self) -> str:
        return f"ImageCollection({len(self._samples)} samples in '{self._shown}')"

    @property
    def samples(self) -> list[Sample]:
        """The samples, in a fixed order."""
        return list(self._samples)

    @property
    def table(self) -> pd.DataFrame:
        """Table with one row per sample and one column per field of :class:`Sample`; ``mask_paths`` as JSON text.

        ``part``, and ``group_by`` with the regular expression, are there where parts have several views.
        """
        import pandas as pd  # slow to import

        columns = {
            field.name: [getattr(sample, field.name) for sample in self._samples]
            for field in fields(Sample)
        }
        columns["mask_paths"] = [to_text(paths) for paths in columns["mask_paths"]]
        if self.group_by is None:
            del columns["part"]
        else:
            columns["group_by"] = [self.group_by] * len(self._samples)
        return pd.DataFrame(columns)

    def file_keys(self) -> Iterator[str]:
        """Name each image and mask with its split, its label and a hash of what the file system knows of it.

        None is read; a changed one has another hash.
        """
        for sample in self.samples:
            for path in (sample.path, *sample.mask_paths):
                filesystem, place = self._located(path)
                known = filesystem.ukey(place) if filesystem.exists(place) else None
                yield f"{sample.split} {sample.defect_type} {path} {known}"

    def without(self, split: str) -> ImageCollection:
        """Copy the collection without the samples of one split."""
        return ImageCollection(
            self._filesystem,
            self._root,
            self.category,
            [sample for sample in self._samples if sample.split != split],
            self.stray_masks,
            self._region_kinds,
            self._declared_range,
            self.not_read,
            self._defect_colors,
            self._declared_channels,
            self.group_by,
        )

    @cached_property
    def value_range(self) -> ValueRange | None:
        """Range of the values of images with more than 8 bits, the same for all images of the category.

        It is what was declared; else what the files of the good training images state, or what their largest value
        needs. None if the first of these images has 8 bits, or if there are none.

        Raises:
            InputError: If the training images state different depths.
        """
        if self._declared_range is not None:
            return self._declared_range
        paths = self._good_training
        for path in paths:
            try:
                first = self.decode(path, self.read(path))
            except UnreadableImageError:
                continue
            if first.pixels.dtype != np.uint16:
                break
            filesystem, _ = self._located(path)
            places = [self._located(path)[1] for path in paths]
            there = tuple(filter(filesystem.exists, places))  # no broken links
            keys = tuple(map(filesystem.ukey, there))
            return range_of_files(filesystem, there, keys, self.channels)
        return None

    @cached_property
    def channels(self) -> Channels | None:
        """Channels that are picked from the files of images, with their number in the first good training image.

        None reads grey and RGB files. Masks are read as they are.

        Raises:
            InputError: If that image lacks one of them.
        """
        declared = self._declared_channels
        if declared is None or declared.n_channels is not None:
            return declared
        files = ((self._name(path), partial(self.read, path)) for path in self._good_training)
        return channels_among(declared, files)

    @property
    def _good_training(self) -> list[str]:
        return [one.path for one in self._samples if one.split == "train" and one.label == 0]

    @property
    def has_regions(self) -> bool:
        """True if every mask file is one annotated region with a saturation threshold."""
        return bool(self._region_kinds)

    def read(self, path: str) -> bytes:
        """Read the bytes of a file.

        Args:
            path: Path relative to the data root, or the URL of any file.

        Raises:
            UnreadableImageError: If the file is missing, cannot be read, is no regular file, or is too large, see
                :func:`reb_pipeline.images.folder.read_file`.
        """
        try:
            return self._read(path)
        except (OSError, ValueError, ImportError) as error:  # file, protocol, package
            raise UnreadableImageError(
                f"'{path}' in '{self._shown}' cannot be read ({error}): put the file back, or take "
                "it out of the data."
            ) from error

    def address(self, path: str) -> str:
        """Return the URL of a file, so that another collection can open it.

        Args:
            path: Path relative to the data root.
        """
        filesystem, place = self._located(path)
        address = str(filesystem.unstrip_protocol(place))
        archive = archive_of(filesystem)
        return f"{address}::{archive}" if archive else address

    def open_image(self, path: str, sha256: str = "") -> np.ndarray:
        """Open an image, turned upright by its EXIF orientation.

        Args:
            path: See :meth:`read`.
            sha256: Hash that the file must have, as the table of samples has it; empty accepts any file.

        Returns:
            uint8 [H, W, 3] RGB; grey is repeated, and more than 8 bits are mapped from :attr:`value_range`.

        Raises:
            UnreadableImageError: If the file is missing, broken, of a kind that is not read, or its values are out of
                range.
            InputError: If the file has another hash.
        """
        return self._to_rgb(self._decode_known(path, sha256), path)

    def open_shown(self, path: str, sha256: str = "", side: int = SHOWN_SIDE) -> np.ndarray:
        """Open an image at the size that it is shown at, without decoding more of a JPEG file than that takes.

        Args:
            path: See :meth:`read`.
            sha256: See :meth:`open_image`.
            side: Largest height and width in pixels.

        Returns:
            uint8 [h, w, 3] RGB, see :func:`reb_pipeline.images.shown.shown`.

        Raises:
            UnreadableImageError: See :meth:`open_image`.
            InputError: If the file has another hash.
        """
        image = self._decode_known(path, sha256, side)
        if not image.is_deep:  # grey is resized before it is repeated
            image = replace(image, pixels=shown(image.pixels, side))
        return shown(self._to_rgb(image, path), side)

    def _decode_known(self, path: str, sha256: str, side: int | None = None) -> DecodedImage:
        return self.decode(path, self._read_known(path, sha256), side)

    def _read_known(self, path: str, sha256: str, kind: str = "image") -> bytes:
        data = self.read(path)
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            msg = (
                f"{self._name(path)} is not the {kind} that the samples of {self.category} list under this name (its "
                f"SHA-256 differs): put that file back or set data_root back, or run the pipeline ingestion again and "
                f"then all that follows it."
            )
            raise InputError(msg)
        return data

    def _to_rgb(self, image: DecodedImage, path: str) -> np.ndarray:
        return to_rgb(image, self._name(path), self.value_range if image.is_deep else None)

    def open_mask(self, mask_paths: Sequence[str], hashes: Sequence[str] = ()) -> np.ndarray:
        """Unite the masks of one image.

        Args:
            mask_paths: At least one path relative to the data root.
            hashes: SHA-256 that each file must have, as the table of samples has it; empty accepts any file.

        Returns:
            bool [H, W], True where any mask is defective, see
            :func:`reb_pipeline.images.masks.defective_pixels`.

        Raises:
            UnreadableImageError: If a mask is missing or broken, or the masks differ in size.
            InputError: If a file has another hash.
        """
        masks = [defective_pixels(mask) for mask in self._decode_masks(mask_paths, hashes)]
        if len({mask.shape for mask in masks}) != 1:
            raise UnreadableImageError(
                f"The masks {list(mask_paths)} in '{self._shown}' are not one or more of the same "
                f"size (height, width): {[mask.shape for mask in masks]}."
            )
        return np.logical_or.reduce(masks)

    def doubts_of_mask(self, mask_paths: Sequence[str]) -> list[str]:
        """List why the masks of one image may not be what they seem, see :func:`reb_pipeline.images.masks.mask_doubts`.

        Raises:
            UnreadableImageError: If a mask is missing or broken.
        """
        doubts = [mask_doubts(self._decode_mask(path), self.read(path)) for path in mask_paths]
        return list(dict.fromkeys(doubt for found in doubts for doubt in found))

    def open_regions(
        self, mask_paths: Sequence[str], hashes: Sequence[str] = ()
    ) -> list[tuple[np.ndarray, float, bool]]:
        """Open each annotated region of one image with its saturation; for MVTec LOCO only.

        Args:
            mask_paths: Paths relative to the data root, one region each.
            hashes: See :meth:`open_mask`.

        Returns:
            (mask, bool [H, W]; saturation threshold; relative) of each region. The threshold is a share of the
            region's area if relative is True, else a number of pixels.

        Raises:
            UnreadableImageError: If a mask is missing or broken, or its grey value names no defect.
            InputError: If a file has another hash.
        """
        regions = []
        for path, mask in zip(mask_paths, self._decode_masks(mask_paths, hashes), strict=True):
            value = int(mask.max())
            if value not in self._region_kinds:
                raise UnreadableImageError(
                    f"Mask '{path}' in '{self._shown}' has grey value {value}, which is none of "
                    f"{sorted(self._region_kinds)} in the category's defects_config.json: use the "
                    "masks and the configuration of one download."
                )
            regions.append((defective_pixels(mask), *self._region_kinds[value]))
        return regions

    def decode(self, path: str, data: bytes, side: int | None = None) -> DecodedImage:
        """Decode the bytes of a file in its own depth, turned upright by its EXIF orientation.

        Args:
            path: Path relative to the data root, for error messages.
            data: The bytes of the file.
            side: See :func:`reb_pipeline.images.decoding.decode_image`.

        Raises:
            UnreadableImageError: If the bytes are broken or no image.
        """
        return decode_image(data, self._name(path), side=side, channels=self.channels)

    def _read(self, path: str) -> bytes:
        return read_file(*self._located(path))

    def _located(self, path: str) -> tuple[AbstractFileSystem, str]:
        """Return the file system of a file, and its path there."""
        if "://" in path:  # an image from outside the data root
            filesystem, place = fsspec.url_to_fs(path)
            return filesystem, str(place)
        return self._filesystem, PurePosixPath(self._root, path).as_posix()

    def _name(self, path: str) -> str:
        return f"'{path}' in '{self._shown}'"

    def _decode_masks(self, paths: Sequence[str], hashes: Sequence[str]) -> list[np.ndarray]:
        known = hashes or [""] * len(paths)
        return [self._decode_mask(*one) for one in zip(paths, known, strict=True)]

    def _decode_mask(self, path: str, sha256: str = "") -> np.ndarray:
        """Decode a mask to [H, W]: grey values unchanged, of colours the brightest channel or those of defects."""
        pixels = decode_image(self._read_known(path, sha256, "mask"), self._name(path)).pixels
        if self._defect_colors:
            return pixels_of_colors(pixels, self._defect_colors)
        return pixels if pixels.ndim == 2 else pixels.max(axis=2)


def loose_images(
    path: str,
    category: str | None = None,
    value_range: ValueRange | None = None,
    channels: Channels | None = None,
) -> ImageCollection:
    """List the images of a folder and its subfolders without opening them.

    Args:
        path: Path or URL (any fsspec file system) of the folder.
        category: Name of the collection; None takes the folder's name.
        value_range: Range of the values of images with more than 8 bits, that of the images learnt from.
        channels: Channels that are picked from files, those of the images learnt from.

    Returns:
        One sample per image, sorted by path. The id is the path relative to the folder, with the extension, because
        two files may differ only in the extension. Labels are unknown: all samples count as good, in the split
        ``calibration``.

    Raises:
        InputError: If the folder is missing, cannot be listed, or holds no image.
    """
    filesystem, found = list_images(path)
    samples = [Sample(image, image, "calibration", 0, "good") for image in found.images]
    place = filesystem.path or archive_of(filesystem.fs)
    name = PurePosixPath(place).name if category is None else category
    return ImageCollection(
        filesystem.fs, filesystem.path, name, samples, [], {}, value_range, found.not_read,
        channels=channels,
    )  # fmt: skip
