"""Base of all raw-image datasets: list the images of a read-only folder as samples of a category."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

import fsspec
from kedro.io import AbstractDataset
from kedro.io.core import get_protocol_and_path

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.images.collection import SPLITS, ImageCollection, Sample
from reb_pipeline.images.folder import IMAGE_SUFFIXES

if TYPE_CHECKING:
    import os

    from kedro_datasets._typing import ImagePreview


class ImageFolderBase(AbstractDataset[NoReturn, ImageCollection]):
    """One category of a folder of raw images on any fsspec file system; a layout is a subclass.

    A subclass implements `_good_images` and `_list_samples`, with paths relative to the data root.

    Args:
        path: Data root, the folder that holds the categories.
        category: Name of the category.
        credentials: Secrets of the file system.
        fs_args: Further arguments of the file system.
        metadata: Ignored by Kedro, for plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        category: str,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._protocol, root = get_protocol_and_path(path)
        self._fs = fsspec.filesystem(self._protocol, **(credentials or {}), **(fs_args or {}))
        # fsspec lists absolute paths, so the root has to be one to find relative paths below it.
        self._root: str = self._fs._strip_protocol(root)
        self._category = str(category)
        self.metadata = metadata

    def load(self) -> ImageCollection:
        """List the category's samples; no image is opened.

        Raises:
            InputDatasetError: See :meth:`check`; also if two images share an id.
        """
        self.check()
        samples = self._list_samples()
        repeated = [key for key, count in Counter(s.id for s in samples).items() if count > 1]
        if repeated:
            paths = [sample.path for sample in samples if sample.id == repeated[0]]
            raise InputDatasetError(
                f"The images {paths} in '{self._root}' differ in their extension only: keep one of "
                "them, because names without extension tell images apart."
            )
        used = {path for sample in samples for path in sample.mask_paths}
        stray = [path for path in self._mask_files() if path not in used]
        return ImageCollection(
            self._fs, self._root, self._category, samples, stray, self._region_kinds()
        )

    def save(self, data: NoReturn) -> None:
        """Refuse: raw images are read only."""
        raise InputDatasetError(
            f"The raw images in '{self._root}' are read-only and originals are never touched: save "
            "to another dataset of the catalog."
        )

    def check(self) -> None:
        """Check that the category has good training images, without listing everything.

        Raises:
            InputDatasetError: If the data root, the category or its good training images are missing.
        """
        if not self._fs.isdir(self._root):
            raise InputDatasetError(
                f"Data root '{self._root}' does not exist: set `data_root` in "
                "conf/<env>/globals.yml or run with --params data_root=…"
            )
        categories = self._categories()
        if self._category not in categories:
            raise InputDatasetError(
                f"Category '{self._category}' is not in data root '{self._root}': choose from "
                f"what is there ({', '.join(categories) or 'nothing'}) or correct `data_root`."
            )
        if not self._good_images():
            raise InputDatasetError(
                f"Category '{self._category}' in data root '{self._root}' has no good training "
                f"images where {type(self).__name__} expects them: check that it has this layout."
            )

    def preview(self, n: int = 12) -> ImagePreview:
        """Show the first image of each split and defect type, with the number of images.

        Args:
            n: Most images to show.
        """
        from reb_pipeline.images.thumbnails import thumbnail_sheet

        images = self.load()
        groups: dict[tuple[int, int, str], list[Sample]] = {}
        for sample in images.samples:
            key = (SPLITS.index(sample.split), sample.label, sample.defect_type)
            groups.setdefault(key, []).append(sample)
        shown = [groups[key] for key in sorted(groups)[:n]]
        sheet = thumbnail_sheet(
            (f"{s[0].split} {s[0].defect_type} {len(s)}", images.open_image(s[0].path))
            for s in shown
        )
        return base64.b64encode(sheet).decode()  # type: ignore[return-value,unused-ignore]

    @abstractmethod
    def _good_images(self) -> list[str]:
        """List the paths of the good training images, in one listing."""

    @abstractmethod
    def _list_samples(self) -> list[Sample]:
        """List all samples of the category."""

    def _mask_files(self) -> list[str]:
        """List the paths of all masks of the category, those without an image included."""
        return []

    def _categories(self) -> list[str]:
        """List the names of the categories in the data root."""
        return self._folders("")

    def _region_kinds(self) -> dict[int, tuple[float, bool]]:
        """Saturation (threshold, relative) of each grey value of the masks."""
        return {}

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._root, "protocol": self._protocol, "category": self._category}

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
        """Join a path in the category's folder, relative to the data root."""
        return PurePosixPath(self._category, *parts).as_posix()

    def _absolute(self, path: str) -> str:
        return PurePosixPath(self._root, path).as_posix()

    def _relative(self, path: str) -> str:
        return path.removeprefix(self._root).strip("/")

    def _folders(self, folder: str) -> list[str]:
        """Sorted names of the folders in a folder; empty where it is missing."""
        return [PurePosixPath(path).name for path, is_folder in self._entries(folder) if is_folder]

    def _images(self, folder: str) -> list[str]:
        """Sorted paths of the images in a folder; empty where it is missing."""
        return [
            path
            for path, is_folder in self._entries(folder)
            if not is_folder and PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
        ]

    def _masks(self, folder: str) -> dict[str, tuple[str, ...]]:
        """Map each image stem to its mask, a file named `<stem>_mask` or `<stem>`."""
        return {
            PurePosixPath(path).stem.removesuffix("_mask"): (path,) for path in self._images(folder)
        }

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """Sorted (path, is a folder) of the entries of a folder, hidden ones left out."""
        try:
            entries = self._fs.ls(self._absolute(folder), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(
            (
                self._relative(entry["name"]),
                # A link to a folder is listed as a link.
                entry["type"] == "directory"
                or bool(entry.get("islink") and self._fs.isdir(entry["name"])),
            )
            for entry in entries
            if not PurePosixPath(entry["name"]).name.startswith(".")
        )
