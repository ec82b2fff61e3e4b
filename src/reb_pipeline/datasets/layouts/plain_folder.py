"""Layout of a folder of photos: good ones and, optionally, defective ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.seeded_split import SplitFolderBase
from reb_pipeline.images.collection import Sample

# Names of folders, in lower case.
GOOD, MASKS = ("good", "ok", "normal"), ("masks", "ground_truth")
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Layout:
    """Folders of a category, relative to the data root.

    Attributes:
        good: Folder of the good photos to learn from.
        good_test: Folder of good photos that are for the test; None if there are none of their own.
        defects: Folder of each defect type.
        masks: Folders that hold a folder of masks for each defect type.
    """

    good: str
    good_test: str | None = None
    defects: dict[str, str] = field(default_factory=dict)
    masks: list[str] = field(default_factory=list)


def find_layout(
    folder: str, folders: Callable[[str], list[str]], has_images: Callable[[str], bool]
) -> Layout | None:
    """Find which folders of a category hold good photos, defective ones and masks; None if none is named as good.

    Three layouts are known, with names of folders in upper or lower case. ``good`` stands for ``good``, ``ok`` or
    ``normal``:

    - ``train/good``, ``test/good``, ``test/<defect type>``, ``ground_truth/<defect type>``;
    - ``good``, ``<defect type>``, ``masks/<defect type>``;
    - photos and no folder with photos: all are good.

    Args:
        folder: Path of the category.
        folders: Lists the names of the folders in a folder.
        has_images: Returns True if a folder itself holds images.

    Raises:
        InputDatasetError: If two folders have a name for good photos.

    Example:
        >>> tree = {"bolt": ["OK", "bent", "masks"], "bolt/masks": ["bent"]}
        >>> find_layout("bolt", lambda path: tree.get(path, []), lambda path: path not in tree)
        Layout(good='bolt/OK', good_test=None, defects={'bent': 'bolt/bent'}, masks=['bolt/masks'])
    """

    def inside(parent: str, *names: str) -> list[str]:
        return [
            PurePosixPath(parent, name).as_posix()
            for name in folders(parent)
            if name.lower() in names
        ]

    def one_good(parent: str) -> str | None:
        found = inside(parent, *GOOD)
        if len(found) > 1:
            raise InputDatasetError(
                f"Both {' and '.join(map(repr, found))} have a name for good photos: keep one of them."
            )
        return found[0] if found else None

    def defects(parent: str, *others: str) -> dict[str, str]:
        names = (name for name in folders(parent) if name.lower() not in (*GOOD, *others))
        return {name: PurePosixPath(parent, name).as_posix() for name in names}

    masks = inside(folder, *MASKS)
    own = one_good(folder)
    if own is not None:
        return Layout(own, None, defects(folder, *MASKS), masks)
    learnt = next(filter(None, map(one_good, inside(folder, TRAIN))), None)
    if learnt is not None:
        (test, *_) = (*inside(folder, TEST), None)
        if test is None:
            return Layout(learnt)
        good = one_good(test)
        return Layout(learnt, good if good and has_images(good) else None, defects(test), masks)
    below = (PurePosixPath(folder, name).as_posix() for name in folders(folder))
    if has_images(folder) and not any(map(has_images, below)):
        return Layout(folder)
    return None


class PlainFolderDataset(SplitFolderBase):
    """Folder of photos: `<category>/good`; every other folder is a defect type, with or without masks.

    A mask is `<category>/masks/<defect type>/<stem>` or `<stem>_mask`, with any extension. The folders `train/good`,
    `test/<defect type>` and `ground_truth` are known too, and a folder that holds nothing but good photos, see
    :func:`find_layout`. Good photos in `test` are the test; `split` shares out those in `train`. For the other
    arguments see :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.

    Args:
        folder: Folder of the category below the data root, "." for the root itself; None is the category's name.
        others: Arguments of :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.PlainFolderDataset
          path: data/01_raw
          category: "{category}"
          split: {test: 0.3, calibration: auto, seed: 0}
          false_alarm_rate: 0.05
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import PlainFolderDataset
        >>> memory = fsspec.filesystem("memory")
        >>> for name in ("bolt/good/0.png", "bolt/good/1.png", "bolt/bent/0.png"):
        ...     memory.pipe(f"/parts/{name}", b"")  # no image is opened here
        >>> dataset = PlainFolderDataset(path="memory:///parts", category="bolt")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'bent')]
    """

    def __init__(self, *, folder: str | None = None, **others: Any) -> None:
        super().__init__(**others)
        self._folder = PurePosixPath(self._category if folder is None else folder).as_posix()

    def layout_of(self, folder: str) -> Layout | None:
        """Find the layout of a folder below the data root, see :func:`find_layout`."""
        return find_layout(folder, self._folders, lambda path: bool(self._images(path)))

    def is_there(self) -> bool:
        """Return True if the data root is a folder."""
        return bool(self._fs.isdir(self._root))

    def folders(self) -> list[str]:
        """List the names of the folders in the data root."""
        return self._folders("")

    def images(self) -> list[str]:
        """List the images in the data root itself."""
        return self._images("")

    def not_read(self) -> dict[str, list[str]]:
        """List all that lies in the folder of the category, by kind: nothing of it is read as an image yet."""
        return self._not_read(set())

    def folders_of(self, folder: str) -> dict[str, int]:
        """Count the images in each folder of a folder, without those below; a folder without images is left out."""
        counts = {
            name: len(self._images(PurePosixPath(folder, name).as_posix()))
            for name in self._folders(folder)
        }
        return {name: count for name, count in counts.items() if count}

    @property
    def _layout(self) -> Layout | None:
        return self.layout_of(self._folder)

    def _good_images(self) -> list[str]:
        layout = self._layout
        return self._images(layout.good) if layout else []

    def _other_samples(self) -> list[Sample]:
        layout = self._layout
        if layout is None:
            return []
        tested = self._images(layout.good_test) if layout.good_test else []
        samples = [self._good(path, "test") for path in tested]
        for kind, folder in layout.defects.items():
            masks = self._masks_of(layout.masks, kind)
            samples += [
                self._defective(path, kind, masks.get(PurePosixPath(path).stem, ()))
                for path in self._images(folder)
            ]
        return samples

    def _given_splits(self) -> set[str]:
        layout = self._layout
        return {"test"} if layout is not None and layout.good_test is not None else set()

    def _masks_of(self, folders: Sequence[str], kind: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for folder in folders:
            found |= self._masks(PurePosixPath(folder, kind).as_posix())
        return found

    def _mask_files(self) -> list[str]:
        layout = self._layout
        folders = layout.masks if layout else []
        return [
            path
            for folder in folders
            for kind in self._folders(folder)
            for path in self._images(PurePosixPath(folder, kind).as_posix())
        ]

    def _categories(self) -> list[str]:
        """List the categories of the data root, and this one where its folder has another name."""
        there = self._folder == "." or self._fs.isdir(self._absolute(self._folder))
        return sorted({*self._folders(""), *([self._category] if there else [])})

    def _own_folder(self) -> str:
        return self._folder

    def _id(self, path: str) -> str:
        return PurePosixPath(path).relative_to(self._folder).with_suffix("").as_posix()
