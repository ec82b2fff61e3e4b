"""Categories in a folder or list of photos, and their photos shared out so that a false-alarm rate can be kept."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import fsspec

from reb_pipeline import datasets
from reb_pipeline.calibration.photos import Shares, images_with_spare, share_for_test
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.folder_files import portable_name
from reb_pipeline.core.places import no_folder, reaching
from reb_pipeline.core.sizes import Size, in_aspect
from reb_pipeline.datasets import PlainFolderDataset
from reb_pipeline.datasets.layouts.seeded_split import checked_split
from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.images.folder import not_read_sentences
from reb_pipeline.images.parts import count_parts, has_parts
from reb_pipeline.parameters.loader import AMBIGUOUS
from reb_pipeline.parameters.per_category import FREE_NAMES, SHARED_SECTIONS

HERE = "."  # the folder of photos itself
# Ending of a file that lists photos -> the dataset that reads it.
LISTS = {
    ".csv": "CSVListDataset",
    ".manifest": "LookoutForVisionDataset",
    ".jsonl": "LookoutForVisionDataset",
}
SQUEEZED = 3  # times as wide as high, from which on a square is worse
_NAMED = 4  # folders that a sentence names


@dataclass(frozen=True)
class Category:
    """Photos of one kind of part.

    Attributes:
        name: Name of the category in the project.
        path: Folder of photos that was given, or of the list that was, a path or URL.
        folder: Folder of the category below it, "." for the folder itself.
        split: Shares of the good photos, see :class:`reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.
        images: The photos, with their splits.
        file: List of the photos below `path`; empty where folders say what they are.
    """

    name: str
    path: str
    folder: str
    split: dict[str, Any]
    images: ImageCollection = field(repr=False)
    file: str = ""

    @property
    def shares(self) -> Shares:
        """Number of good photos, or parts, for each purpose."""
        return shares_of(self.images.samples)

    @property
    def n_learnt(self) -> int:
        """Number of good photos to learn from."""
        return sum(one.split == "train" and one.label == 0 for one in self.images.samples)

    def statement(self) -> str:
        """Describe the photos in one sentence."""
        defects = Counter(sample.defect_type for sample in self.images.samples if sample.label)
        masks = sum(bool(sample.mask_paths) for sample in self.images.samples)
        good = [sample for sample in self.images.samples if sample.label == 0]
        found = f"{len(good):,} good photos"
        if has_parts(good):
            found += f" of {count_parts(good).total():,} parts"
        if defects:
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(defects.items()))
            found += f", {sum(defects.values()):,} defective ones ({kinds})"
            return f"{found}, {masks:,} with a mask." if masks else f"{found}, no masks."
        return f"{found}, no defective ones (none are needed)."


def shares_of(samples: Iterable[Sample], folder: str | None = None, in_folder: int = 0) -> Shares:
    """Count the good images, or parts, for each purpose.

    Args:
        samples: Samples of a category.
        folder: See :class:`reb_pipeline.calibration.photos.Shares`.
        in_folder: See there.
    """
    good = [sample for sample in samples if sample.label == 0]
    counts = count_parts(good)
    units = "parts" if has_parts(good) else "images"
    return Shares(counts["train"], counts["calibration"], counts["test"], folder, in_folder, units)


def find_categories(
    path: str,
    name: str,
    rate: float,
    split: dict[str, Any],
    ingestion: Mapping[str, Any] | None = None,
) -> tuple[list[Category], list[str]]:
    """Find the categories of a folder, see :func:`reb_pipeline.datasets.layouts.plain_folder.find_layout`, or list.

    Args:
        path: Folder of photos, a path or URL: a category itself, or a folder that holds categories. Or a file that
            lists the photos of one category, with an ending of :data:`LISTS`.
        name: Name of the category where the folder itself is one.
        rate: False-alarm rate, in (0, 1); it decides how the good photos are shared out.
        split: Shares that are given, in the place of those that follow from the rate.
        ingestion: Settings of the section that are given, for the channels that are picked from photos.

    Returns:
        The categories, and the folders with photos that belong to none.

    Raises:
        InputError: If there is no folder, or no photo in it is known to be good.
    """
    if _is_list(path):
        parent, file = os.path.split(path)
        return [_category(name, parent, {"file": file}, rate, split, ingestion or {})], []
    root = PlainFolderDataset(path=path, category=name, folder=HERE)
    if not root.is_there():
        raise InputError(no_folder(path))
    if root.layout_of(HERE) is not None:
        return [_category(name, path, {"folder": HERE}, rate, split, ingestion or {})], []
    with_photos = root.folders_of(HERE)
    names = {}
    for folder in root.folders():
        layout = root.layout_of(folder)
        if layout is not None and layout.good != folder:
            names[folder] = category_name(folder)
    if not names:
        raise InputError(_nothing_good(root, path, with_photos))
    twice = [one for one, count in Counter(names.values()).items() if count > 1]
    if twice:
        folders = [folder for folder, given in names.items() if given == twice[0]]
        msg = f"The folders {folders} in '{path}' would both be the category {twice[0]!r}: rename one of them."
        raise InputError(msg)
    found = [
        _category(given, path, {"folder": folder}, rate, split, ingestion or {})
        for folder, given in names.items()
    ]
    return found, [folder for folder in with_photos if folder not in names]


def category_name(text: str) -> str:
    """Make a name for a category of any text: of letters, digits, ``_`` and ``-``, and none that the project uses.

    Example:
        >>> category_name("my photos, new"), category_name("seed"), category_name("metrics_x")
        ('my_photos_new', 'part_seed', 'part-metrics-x')
    """
    name = re.sub(r"[^\w-]+", "_", text).strip("_") or "part"
    name = portable_name(name)
    is_taken = name in (*SHARED_SECTIONS, *FREE_NAMES) or AMBIGUOUS.search(name)
    return f"part_{name}".replace("_metrics_", "-metrics-") if is_taken else name


def reader_of(path: str) -> str:
    """Name the dataset that reads a list by its ending, or a folder.

    Example:
        >>> reader_of("parts/bolt.CSV"), reader_of("parts/bolt")
        ('CSVListDataset', 'PlainFolderDataset')
    """
    return LISTS.get(_ending(path), "PlainFolderDataset")


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _is_list(path: str) -> bool:
    if _ending(path) not in LISTS:
        return False
    with reaching(f"The list '{path}' cannot be opened", "correct the path"):
        filesystem, place = fsspec.url_to_fs(path)
        return bool(filesystem.isfile(place))


def _category(
    name: str,
    path: str,
    place: dict[str, str],
    rate: float,
    given: dict[str, Any],
    ingestion: Mapping[str, Any],
) -> Category:
    own = (ingestion.get("per_category") or {}).get(name) or {}
    channels = own.get("channels", ingestion.get("channels"))

    def images(split: dict[str, Any]) -> ImageCollection:
        make = getattr(datasets, reader_of(place.get("file", "")))
        found: ImageCollection = make(
            path=path,
            category=name,
            split=split,
            false_alarm_rate=rate,
            channels=channels,
            **place,
        ).load()
        return found

    by_part = {"group_by": given["group_by"]} if "group_by" in given else {}
    found = images({"test": 0, **by_part}).samples
    good = count_parts([one for one in found if one.label == 0 and one.split != "test"]).total()
    has_own_test = any(sample.label == 0 and sample.split == "test" for sample in found)
    has_defects = any(sample.label for sample in found)
    test = 0 if has_own_test else share_for_test(good, rate, has_defects=has_defects)
    split = checked_split({"test": test, **given})
    if "calibration" not in given:
        n_test = 0 if has_own_test or not split["test"] else max(1, round(split["test"] * good))
        split["calibration"] = images_with_spare(good, n_test, rate)
    folder, file = place.get("folder", HERE), place.get("file", "")
    return Category(name, path, folder, split, images(split), file)


def squeeze_note(category: Category, image_size: Size) -> str | None:
    """Say that a square squeezes the photos of a category, and which size does not; None where it does not.

    Args:
        category: The category, whose first photo is opened.
        image_size: Size that its photos are resized to.
    """
    try:
        height, width = category.images.open_image(category.images.samples[0].path).shape[:2]
    except InputError:  # the run says which photos cannot be read
        return None
    longer = "wide as high" if width > height else "high as wide"
    times = max(height, width) / min(height, width)
    if not isinstance(image_size, int) or times < SQUEEZED:
        return None
    better = in_aspect([height, width], image_size)
    return (
        f"{category.name}: its photos are {times:.1f} times as {longer}, and a square squeezes them: "
        f"--set features.image_size={str(better).replace(' ', '')} keeps their aspect in the same time."
    )


def check_enough(category: Category, rate: float) -> None:
    """Check that a category has enough good photos for a threshold that keeps a rate.

    Raises:
        InputError: If it has not.
    """
    if not category.shares.can_flag(rate):
        raise InputError(f"{category.name}: {category.shares.statement(rate)}")


def _nothing_good(root: PlainFolderDataset, path: str, with_photos: dict[str, int]) -> str:
    """Say why no photo of a folder is known to be good."""
    own = len(root.images())
    if not with_photos:
        others = "; ".join(not_read_sentences(root.not_read()))
        there = f" ({others})" if others else ""
        return f"'{path}' holds no photo{there}: give a folder of photos of good parts."
    named = ", ".join(f"{name} {count:,}" for name, count in [*with_photos.items()][:_NAMED])
    named += ", …" if len(with_photos) > _NAMED else ""
    beside = f"{own:,} photos beside " if own else ""
    return (
        f"'{path}' holds {beside}folders of photos ({named}), and none is named good, so that nobody can know which "
        f"parts are good: name the folder of good photos 'good', or give a folder that holds only good photos."
    )
