"""Base class of all datasets of raw images: lists the images of a read-only folder as samples of a category."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

import fsspec
from kedro.io import AbstractDataset
from kedro.io.core import get_protocol_and_path

from reb_pipeline.core.places import reaching
from reb_pipeline.datasets.arguments import PlainArguments
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.collection import SPLITS, ImageCollection, Sample
from reb_pipeline.images.folder import (
    IMAGE_SUFFIXES,
    OTHER_FILES,
    OUTSIDE,
    FolderListing,
    is_folder,
    list_folder,
    not_read_sentences,
)
from reb_pipeline.images.masks import Color
from reb_pipeline.images.value_range import declared_range

if TYPE_CHECKING:
    import os

    from fsspec import AbstractFileSystem
    from kedro_datasets._typing import ImagePreview

# Part of the address of a folder in an archive: zip://<folder in it>::<address of the archive>.
_ARCHIVE = "::"


class ImageFolderBase(PlainArguments, AbstractDataset[NoReturn, ImageCollection]):
    """Category of a folder of raw images on any fsspec file system; each layout is a subclass.

    A subclass implements `_good_images` and `_list_samples`, with paths relative to the data root.

    Args:
        path: Data root, the folder of the categories; `zip://::<address>` reads an archive without unpacking it.
        category: Name of the category.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Not used by Kedro; for plugins such as Kedro-Viz.
        bit_depth: Bits of a value in files with more than 8 bits: 8, 10, 12, 14 or 16, where the files hold 0 to
            2^bits - 1; None takes what the files state, or else infers it from the good training images.
        value_range: Values that become black and white, instead of `bit_depth`; needed for 32-bit files.
        channels: Number of the channel that is looked at, or three numbers, from 0, see
            :class:`reb_pipeline.images.channels.Channels`; or these for each category. None reads grey and RGB files.

    Raises:
        InputError: If the bit depth or the range of values is invalid.
    """

    _group_by: str | None = None  # of layouts that know parts of several views

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        category: str,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        bit_depth: int | None = None,
        value_range: Sequence[float] | None = None,
        channels: int | Sequence[int] | Mapping[str, Any] | None = None,
    ) -> None:
        self._path = str(path)
        self._protocol, _ = get_protocol_and_path(path)
        self._options = {**(credentials or {}), **(fs_args or {})}
        self._category = str(category)
        self.metadata = metadata
        self._value_range = declared_range(bit_depth, value_range)
        own = channels.get(category) if isinstance(channels, Mapping) else channels
        self._channels = Channels.of_setting(own)

    @cached_property
    def _place(self) -> tuple[AbstractFileSystem, str]:
        """File system, and path of the data root on it; opened on first use, because it may be an archive."""
        with reaching(
            f"Data root '{self._path}' cannot be opened",
            "correct the path, or install the package of its file system",
            InputDatasetError,
        ):
            filesystem, root = fsspec.url_to_fs(self._path, **self._options)
            filesystem.isdir(root)  # others than local ones are first asked here
        if _ARCHIVE in self._path and any(entry["name"] == "." for entry in filesystem.ls(root)):
            raise InputDatasetError(
                f"The paths in archive '{self._path}' begin with './', where no folder is found: "
                "pack the folders by their names, as by `cd FOLDER && tar -cf FILE *`."
            )
        # fsspec lists absolute paths, so the root must be absolute to find paths relative to it.
        return filesystem, filesystem._strip_protocol(root)

    @property
    def _fs(self) -> AbstractFileSystem:
        return self._place[0]

    @property
    def _root(self) -> str:
        return self._place[1]

    @property
    def _shown(self) -> str:
        """Data root in messages: its path, or the address of an archive."""
        return self._path if _ARCHIVE in self._path else self._root

    def load(self) -> ImageCollection:
        """List the samples of the category; no image is opened.

        Raises:
            InputDatasetError: See :meth:`check`; also if two images have the same id, or a folder of the layout cannot
                be listed.
        """
        self.check()
        samples = self._list_samples()
        repeated = [key for key, count in Counter(s.id for s in samples).items() if count > 1]
        if repeated:
            paths = [sample.path for sample in samples if sample.id == repeated[0]]
            raise InputDatasetError(
                f"The images {paths} in '{self._shown}' differ in their extension only: keep one of "
                "them, because names without extension tell images apart."
            )
        used = {path for sample in samples for path in sample.mask_paths}
        stray = [path for path in self._mask_files() if path not in used]
        return ImageCollection(
            self._fs, self._root, self._category, samples, stray, self._region_kinds(),
            self._value_range,
            self._not_read({*used, *stray, *(sample.path for sample in samples)}),
            self._defect_colors(), self._channels, self._group_by,
        )  # fmt: skip

    def save(self, data: NoReturn) -> None:
        """Refuse: raw images are read-only."""
        raise InputDatasetError(
            f"The raw images in '{self._shown}' are read-only and originals are never touched: save "
            "to another dataset of the catalog."
        )

    def check(self) -> None:
        """Check that the category has good training images, without a complete listing.

        Raises:
            InputDatasetError: If the data root, the category or its good training images are missing.
        """
        if not self._fs.isdir(self._root):
            raise InputDatasetError(
                f"Data root '{self._shown}' does not exist: set `data_root` in "
                "conf/<env>/globals.yml or run with --params data_root=…"
            )
        categories = self._categories()
        if self._category not in categories:
            raise InputDatasetError(
                f"Category '{self._category}' is not in data root '{self._shown}': choose from "
                f"what is there ({', '.join(categories) or 'nothing'}) or correct `data_root`."
            )
        if not self._good_images():
            others = "; ".join(not_read_sentences(self._not_read(set())))
            there = f" ({others})" if others else ""
            raise InputDatasetError(
                f"Category '{self._category}' in data root '{self._shown}' has no good training "
                f"images where {type(self).__name__} expects them{there}: check that it has this layout."
            )

    def preview(self, n: int = 12) -> ImagePreview:
        """Show the first image of each split and defect type, with the number of images.

        Args:
            n: Largest number of images.
        """
        from reb_pipeline.images.thumbnails import SIDE, thumbnail_sheet

        images = self.load()
        groups: dict[tuple[int, int, str], list[Sample]] = {}
        for sample in images.samples:
            key = (SPLITS.index(sample.split), sample.label, sample.defect_type)
            groups.setdefault(key, []).append(sample)
        shown = [groups[key] for key in sorted(groups)[:n]]
        sheet = thumbnail_sheet(
            (f"{s[0].split} {s[0].defect_type} {len(s)}", images.open_shown(s[0].path, side=SIDE))
            for s in shown
        )
        return base64.b64encode(sheet).decode()  # type: ignore[return-value,unused-ignore]

    @abstractmethod
    def _good_images(self) -> list[str]:
        """List the paths of the good training images."""

    @abstractmethod
    def _list_samples(self) -> list[Sample]:
        """List all samples of the category."""

    def _mask_files(self) -> list[str]:
        """List the paths of all masks of the category, including masks without an image."""
        return []

    def _own_folder(self) -> str:
        """Folder of the category, relative to the data root."""
        return self._category

    def _known_files(self) -> list[str]:
        """List the paths of further files that the layout reads, or whose use is a setting."""
        return []

    def _not_read(self, read: set[str]) -> dict[str, list[str]]:
        """List what lies in the category's folder and is not read, see :data:`reb_pipeline.images.folder.NOT_READ`.

        Args:
            read: Paths of the files that are read.
        """
        folder = self._own_folder()
        found = self._listing(folder)
        not_read = {
            kind: [
                PurePosixPath(folder, path).as_posix() + "/" * path.endswith("/") for path in paths
            ]
            for kind, paths in {**found.not_read, OUTSIDE: found.images}.items()
        }
        known = {*read, *self._known_files()}
        for kind in (OUTSIDE, OTHER_FILES):
            not_read[kind] = [path for path in not_read.get(kind, ()) if path not in known]
        return {kind: paths for kind, paths in not_read.items() if paths}

    def _categories(self) -> list[str]:
        """List the names of the categories in the data root."""
        return self._folders("")

    def _region_kinds(self) -> dict[int, tuple[float, bool]]:
        """Map each grey value of the masks to its saturation (threshold, relative)."""
        return {}

    def _defect_colors(self) -> frozenset[Color]:
        """List the RGB colours of defects, for masks that are not grey."""
        return frozenset()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._shown, "protocol": self._protocol, "category": self._category}

    def _exists(self) -> bool:
        return bool(self._fs.isdir(self._root)) and self._category in self._categories()

    def _release(self) -> None:
        super()._release()
        self._fs.invalidate_cache(self._root)

    def _good(self, path: str, split: str) -> Sample:
        return Sample(self._id(path), path, split, label=0, defect_type="good")

    def _defective(self, path: str, defect_type: str, mask_paths: tuple[str, ...] = ()) -> Sample:
        return Sample(self._id(path), path, "test", 1, defect_type, mask_paths)

    def _id(self, path: str) -> str:
        return PurePosixPath(path.removeprefix(f"{self._category}/")).with_suffix("").as_posix()

    def _inside(self, *parts: str) -> str:
        """Join a path inside the folder of the category, relative to the data root."""
        return PurePosixPath(self._category, *parts).as_posix()

    def _absolute(self, path: str) -> str:
        return PurePosixPath(self._root, path).as_posix() if self._root else path

    def _relative(self, path: str) -> str:
        return path.removeprefix(self._root).strip("/")

    def _folders(self, folder: str) -> list[str]:
        """List the names of the folders in a folder, sorted; empty if it is missing."""
        return [PurePosixPath(path).name for path, is_folder in self._entries(folder) if is_folder]

    def _images(self, folder: str) -> list[str]:
        """List the paths of the images in a folder, sorted; empty if it is missing."""
        return [
            path
            for path, is_folder in self._entries(folder)
            if not is_folder and PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
        ]

    def _masks(self, folder: str) -> dict[str, tuple[str, ...]]:
        """Map the stem of each image to its mask, a file `<stem>_mask` or `<stem>`."""
        return {
            PurePosixPath(path).stem.removesuffix("_mask"): (path,) for path in self._images(folder)
        }

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """List (path, is a folder) of the entries of a folder, sorted, without hidden ones; empty if it is missing."""
        try:
            entries = self._fs.ls(self._absolute(folder), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unlistable(folder, error) from error
        return sorted(
            (self._relative(entry["name"]), is_folder(self._fs, entry))
            for entry in entries
            if not PurePosixPath(entry["name"]).name.startswith(".")
        )

    def _listing(self, folder: str) -> FolderListing:
        """List a folder and its subfolders; empty if it is missing."""
        try:
            return list_folder(self._fs, self._absolute(folder))
        except (FileNotFoundError, NotADirectoryError):
            return FolderListing([], {})
        except OSError as error:
            raise self._unlistable(folder, error) from error

    def _unlistable(self, folder: str, error: OSError) -> InputDatasetError:
        return InputDatasetError(
            f"Folder '{self._absolute(folder)}' cannot be listed ({error}), and nothing in it may be left out unseen: "
            "allow reading it, or take it out of the data."
        )
