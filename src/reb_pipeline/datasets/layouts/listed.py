"""Base class of layouts where a file lists the images, with their labels."""

from __future__ import annotations

import os
import posixpath
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, ClassVar

import fsspec

from reb_pipeline.core.places import is_unreachable
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.seeded_split import SplitFolderBase
from reb_pipeline.images.collection import Sample
from reb_pipeline.images.folder import OUTSIDE, UNLABELED

GOOD = "good"
# Names of splits in lists -> ours.
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("calibration", "validation", "valid", "val"), "calibration"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Entry:
    """One image of a list.

    Attributes:
        image: Path or URL of the image as the list has it.
        defect_type: "good", the type of its defect, or empty if the image has no label.
        mask: Path or URL of its mask; empty if it has none.
        split: Name of its split; empty if the list gives none.
        place: Where the list names it, for messages.
    """

    image: str
    defect_type: str
    mask: str = ""
    split: str = ""
    place: str = ""


class ListedImagesBase(SplitFolderBase):
    """Category whose images a file lists; the name of the file without its ending is that of the category.

    An image lies below the data root, at the end of its listed path: `s3://bucket/parts/7.png` may be
    `bucket/parts/7.png`, `parts/7.png` or `7.png` there, the same for all of a list. If none is there, absolute paths
    and URLs are read where they are, URLs with the credentials that their file system finds by itself.

    Good images without a split, and those for training, are shared out by `split`; for test or calibration none is
    taken if the list has good ones for it. Defective images are always for test. Images without a label are not read;
    the audit names them.

    A subclass implements `_parse` and names the endings of its files.

    Args:
        file: Path of the list below the data root, or one of each split, as `{train: a.csv, test: b.csv}`; None is the
            file with the name of the category.
        others: Arguments of :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.
    """

    endings: ClassVar[tuple[str, ...]]

    def __init__(self, *, file: str | dict[str, str] | None = None, **others: Any) -> None:
        super().__init__(**others)
        self._file = file

    @abstractmethod
    def _parse(self, text: str, name: str) -> list[Entry]:
        """Parse a list.

        Args:
            text: Content of the file.
            name: Its name, for messages.
        """

    def _good_images(self) -> list[str]:
        return [
            sample.path
            for sample in self._listed()
            if sample.label == 0 and sample.split in ("", "train")
        ]

    def _other_samples(self) -> list[Sample]:
        return [
            sample for sample in self._listed() if sample.label or sample.split not in ("", "train")
        ]

    def _given_splits(self) -> set[str]:
        return {sample.split for sample in self._listed() if sample.label == 0}

    def _categories(self) -> list[str]:
        names = {
            PurePosixPath(path).stem
            for path, is_folder in self._entries("")
            if not is_folder and path.lower().endswith(self.endings)
        }
        return sorted(names | ({self._category} if self._files() else set()))

    def check(self) -> None:
        """Check that the list is there and has good training images.

        Raises:
            InputDatasetError: See the base class; also if a file that was named is missing.
        """
        missing = [path for path in self._named().values() if not self._is_there(path)]
        if missing and self._fs.isdir(self._root):
            raise InputDatasetError(
                f"The list '{missing[0]}' is not in data root '{self._shown}': correct `file` or `data_root`."
            )
        super().check()

    def _named(self) -> dict[str, str]:
        """Map splits to the files that were named."""
        return {"": self._file} if isinstance(self._file, str) else dict(self._file or {})

    def _files(self) -> dict[str, str]:
        """Map each split, "" where the list itself tells them, to the path of its list; empty if it is not there."""
        own = (f"{self._category}{ending}" for ending in self.endings)
        files = self._named() or {"": next(filter(self._is_there, own), "")}
        return files if all(map(self._is_there, files.values())) else {}

    def _is_there(self, path: str) -> bool:
        return bool(self._fs.isfile(self._absolute(path)))

    def _listed(self) -> list[Sample]:
        """List the labelled images, sorted by path, with the splits that the list gives or ""."""
        samples = [
            self._good(one.image, _split_of(one))
            if one.defect_type == GOOD
            else self._defective(one.image, one.defect_type, (one.mask,) if one.mask else ())
            for one in self._entries_there()
            if one.defect_type
        ]
        return sorted(samples, key=lambda sample: sample.path)

    def _entries_there(self) -> list[Entry]:
        """List the entries, with the paths where images and masks are."""
        entries = self._parsed()
        images = self._found([one.image for one in entries], "images")
        masks = iter(self._found([one.mask for one in entries if one.mask], "masks"))
        _check_once(images, entries)
        return [
            replace(one, image=image, mask=next(masks) if one.mask else "")
            for one, image in zip(entries, images, strict=True)
        ]

    def _parsed(self) -> list[Entry]:
        return [
            replace(entry, split=split or entry.split)
            for split, name, text in self._texts()
            for entry in self._parse(text, name)
        ]

    def _texts(self) -> Iterator[tuple[str, str, str]]:
        """Read the lists: (split, name, content)."""
        for split, path in self._files().items():
            try:
                with self._fs.open(self._absolute(path), "r", encoding="utf-8-sig") as file:
                    text = file.read()
            except UnicodeDecodeError as error:
                raise InputDatasetError(
                    f"'{path}' in '{self._shown}' is no text in UTF-8 ({error.reason}): save it as UTF-8."
                ) from error
            yield split, path, text

    def _found(self, listed: Sequence[str], what: str) -> list[str]:
        """Find the paths below the data root of listed files, or their URLs.

        Raises:
            InputDatasetError: If not even one file is there.
        """
        parts = [_parts(path) for path in listed]
        for n_dropped in range(max(map(len, parts), default=0)):
            paths = ["/".join(part[min(n_dropped, len(part) - 1) :]) for part in parts]
            if self._any_there(paths):
                return paths
        elsewhere = [_url(path) for path in listed]
        if listed and not all(elsewhere):
            raise InputDatasetError(
                f"None of the {len(listed)} {what} of the list of '{self._category}' is in '{self._shown}', such as "
                f"'{listed[0]}': put them there, with the folders of their paths or without, or correct the paths."
            )
        if elsewhere:
            _check_readable(elsewhere[0])
        return elsewhere

    def _any_there(self, paths: Iterable[str]) -> bool:
        wanted = set(paths)
        folders = {PurePosixPath(path).parent.as_posix().removeprefix(".") for path in wanted}
        return any(not wanted.isdisjoint(self._images(folder)) for folder in sorted(folders))

    def _own_folder(self) -> str:
        """Folder that all listed images lie in."""
        folders = {PurePosixPath(one.image).parent.as_posix() for one in self._entries_there()}
        return posixpath.commonpath(folders).removeprefix(".") if folders else ""

    def _known_files(self) -> list[str]:
        return [*self._files().values(), *(one.mask for one in self._entries_there() if one.mask)]

    def _not_read(self, read: set[str]) -> dict[str, list[str]]:
        """List what lies beside the images and is not read; images that the list does not name have no label."""
        images = [one.image for one in self._entries_there() if not one.defect_type]
        if any("://" in path for path in (*read, *images)):
            return {UNLABELED: images} if images else {}
        not_read = super()._not_read(read)
        return {UNLABELED if kind == OUTSIDE else kind: paths for kind, paths in not_read.items()}

    def _id(self, path: str) -> str:
        return super()._id(path.rpartition("://")[2])


def _split_of(entry: Entry) -> str:
    name = entry.split.strip().lower()
    if name and name not in _SPLITS:
        raise InputDatasetError(
            f"{entry.place} names the split {entry.split!r}: write train, calibration or test, or nothing to have good "
            "images shared out."
        )
    return _SPLITS.get(name, "")


def _check_once(paths: Sequence[str], entries: Sequence[Entry]) -> None:
    first: dict[str, Entry] = {}
    for path, entry in zip(paths, entries, strict=True):
        other = first.setdefault(path, entry)
        if other is not entry:
            raise InputDatasetError(
                f"{other.place} and {entry.place} name the same image '{path}': keep one of them."
            )


def _parts(path: str) -> tuple[str, ...]:
    """Split a path or URL into folders and name, on any system."""
    inner = posixpath.normpath(path.replace("\\", "/").rpartition("://")[2])
    return tuple(part for part in inner.split("/") if part)


def _url(path: str) -> str:
    """Return the URL of a file outside the data root; empty if it has none."""
    if "://" in path:
        return path
    return f"file://{path}" if os.path.isabs(path) and os.path.isfile(path) else ""


def _check_readable(url: str) -> None:
    """Check that a file system can be reached by the URL of a file on it."""
    try:
        filesystem, place = fsspec.url_to_fs(url)
        reason = "" if filesystem.exists(place) else "it is not there"
    except Exception as error:
        if not is_unreachable(error):
            raise
        reason = str(error)
    if reason:
        raise InputDatasetError(
            f"'{url}' cannot be read ({reason}): copy the images beside the list, or install the package of their file "
            "system."
        )
