"""Layout of anomalib's data module Folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.seeded_split import SplitFolderBase
from reb_pipeline.images.collection import Sample

Folders = str | Sequence[str] | None


class AnomalibFolderDataset(SplitFolderBase):
    """Folders as anomalib's data module `Folder` takes them, by the same names, below `<path>/<category>`.

    Subfolders are read too. A defect has the name of its folder: of the subfolder of `abnormal_dir`, or of
    `abnormal_dir` itself. Masks belong to the abnormal images in the order of their names, as in anomalib, if every
    name of a mask contains that of its image. Otherwise a mask has the name of its image, or `<stem>_mask`, in the same
    subfolder of `mask_dir`; of as many as there are of `abnormal_dir`, in the one at the same place of the list.

    Args:
        normal_dir: Folder of good images, or several.
        abnormal_dir: Folders of defective images.
        normal_test_dir: Folders of good images for the test; without them `split` takes some of `normal_dir`.
        mask_dir: Folders of masks of the defective images.
        others: Arguments of :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.AnomalibFolderDataset
          path: data/01_raw
          category: "{category}"
          normal_dir: normal
          abnormal_dir: abnormal
          mask_dir: masks
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import AnomalibFolderDataset
        >>> memory = fsspec.filesystem("memory")
        >>> for name in ("normal/0.png", "normal/1.png", "abnormal/bent/0.png"):
        ...     memory.pipe(f"/anomalib/bolt/{name}", b"")  # no image is opened here
        >>> dataset = AnomalibFolderDataset(
        ...     path="memory:///anomalib", category="bolt", normal_dir="normal", abnormal_dir="abnormal"
        ... )
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'bent')]
    """

    def __init__(
        self,
        *,
        normal_dir: Folders,
        abnormal_dir: Folders = None,
        normal_test_dir: Folders = None,
        mask_dir: Folders = None,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self._normal, self._normal_test = _listed(normal_dir), _listed(normal_test_dir)
        self._abnormal, self._mask = _listed(abnormal_dir), _listed(mask_dir)

    def check(self) -> None:
        """Check that the folders are there and hold good images.

        Raises:
            InputDatasetError: See the base class; also if one of the folders is missing.
        """
        super().check()
        for folder in (*self._normal, *self._abnormal, *self._normal_test, *self._mask):
            if not self._fs.isdir(self._absolute(self._inside(folder))):
                raise InputDatasetError(
                    f"Folder '{self._inside(folder)}' is not in data root '{self._shown}': correct `normal_dir`, "
                    "`abnormal_dir`, `normal_test_dir` or `mask_dir`."
                )

    def _good_images(self) -> list[str]:
        return self._images_in(self._normal)

    def _other_samples(self) -> list[Sample]:
        samples = [self._good(path, "test") for path in self._images_in(self._normal_test)]
        defective = self._images_in(self._abnormal)
        masks = self._masks_of(defective)
        return samples + [
            self._defective(path, self._defect_type(path), masks.get(path, ()))
            for path in defective
        ]

    def _given_splits(self) -> set[str]:
        return {"test"} if self._normal_test else set()

    def _mask_files(self) -> list[str]:
        return self._images_in(self._mask)

    def _images_in(self, folders: Sequence[str]) -> list[str]:
        """List the images of folders and their subfolders, sorted."""
        return sorted(
            self._inside(folder, path)
            for folder in folders
            for path in self._listing(self._inside(folder)).images
        )

    def _masks_of(self, images: Sequence[str]) -> dict[str, tuple[str, ...]]:
        masks = self._mask_files()
        stems = {path: PurePosixPath(path).stem for path in (*images, *masks)}
        pairs = list(zip(images, masks, strict=False))
        if len(images) == len(masks) and all(stems[one] in stems[mask] for one, mask in pairs):
            return {image: (mask,) for image, mask in pairs}
        named = {
            (*self._position(mask, self._mask), stems[mask].removesuffix("_mask")): mask
            for mask in masks
        }
        places = {image: (*self._position(image, self._abnormal), stems[image]) for image in images}
        return {image: (named[place],) for image, place in places.items() if place in named}

    def _defect_type(self, path: str) -> str:
        _, below = self._position(path, self._abnormal)
        return below.partition("/")[0] or PurePosixPath(path).parent.name

    def _position(self, path: str, folders: Sequence[str]) -> tuple[int, str]:
        """Return which of the folders holds an image, and the subfolder there; empty for the folder itself.

        The number is 0 where images and masks have not as many folders.
        """
        parent = PurePosixPath(path).parent
        number, folder = next(
            (number, folder)
            for number, folder in enumerate(map(PurePosixPath, map(self._inside, folders)))
            if parent.is_relative_to(folder)
        )
        below = parent.relative_to(folder).as_posix()
        return number * (len(self._abnormal) == len(self._mask)), "" if below == "." else below


def _listed(folders: Folders) -> tuple[str, ...]:
    return (folders,) if isinstance(folders, str) else tuple(folders or ())
