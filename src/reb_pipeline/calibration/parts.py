"""Several views of one part: one score and one verdict for the part.

A promise about parts needs scores of parts. Views of one part share what is odd about it, so that the images of a
calibration are no independent draws, and a part with k views has k chances to be flagged. So the score of a part is the
highest of its views, in the calibration as in the inspection. Whole parts are exchangeable however their views depend
on each other, if each has the same number of views.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from reb_pipeline.calibration.verdicts import (
    DEFECTIVE,
    DOUBTFUL,
    GOOD,
    UNDECIDED,
    UNREADABLE,
    Verdict,
)
from reb_pipeline.core.errors import InputError


@dataclass(frozen=True)
class Views:
    r"""Views of the parts: how the name of an image tells its part, and how many views a part has.

    Attributes:
        group_by: Regular expression with one group, the name of the part. It is searched in the path of an image
            without extension.
        per_part: Number of views of each part that calibrates.

    Example:
        >>> views = Views(r"^(.*)_\d+$", per_part=2)
        >>> views.part_of_file("monday/0012_1.png"), views.part_of_file("empty.png")
        ('monday/0012', None)
    """

    group_by: str
    per_part: int

    def part_of_file(self, path: str) -> str | None:
        """Find the part that a file shows; None if its name tells none."""
        return part_of(self.group_by, posixpath.splitext(path)[0])


def part_of(group_by: str, image_id: str) -> str | None:
    """Find the part that an image shows, by its path without extension; None if the path tells none.

    An expression that begins with the ``/`` of a folder finds a part in a folder without subfolders too. An empty name
    tells no part.
    """
    found = re.search(group_by, image_id) or re.search(group_by, f"/{image_id}")
    return (found[1] or None) if found else None


def check_group_by(group_by: Any) -> None:
    """Check a regular expression that tells parts apart.

    Raises:
        InputError: If it is no regular expression with one group.
    """
    try:
        n_groups = re.compile(group_by).groups
        reason = f"it has {n_groups} groups" if n_groups != 1 else ""
    except (re.error, TypeError) as error:
        reason = str(error)
    if reason:
        msg = (
            f"split.group_by = {group_by!r} cannot be used ({reason}): give a regular expression with one group for "
            f"the name of the part, such as '(.*)_[0-9]+$'."
        )
        raise InputError(msg)


def views_of_parts(parts: Sequence[Hashable], per_part: int) -> tuple[list[Any], np.ndarray]:
    """Find the parts that have all views.

    Args:
        parts: Part of each image; None belongs to no part.
        per_part: Number of views.

    Returns:
        These parts in the order of their first image, and the positions of their images, int64 [parts, views].

    Example:
        >>> names, rows = views_of_parts(["a", "b", "a", "c", "b", None], per_part=2)
        >>> names, rows.tolist()
        (['a', 'b'], [[0, 2], [1, 4]])
    """
    rows: dict[Any, list[int]] = {}
    for row, part in enumerate(parts):
        if part is not None:
            rows.setdefault(part, []).append(row)
    whole = {part: of_part for part, of_part in rows.items() if len(of_part) == per_part}
    return [*whole], np.array([*whole.values()], np.int64).reshape(-1, per_part)


class View(NamedTuple):
    """View of a part.

    Attributes:
        name: Name of the image.
        verdict: Verdict that follows from the score of this image alone.
        reason: Why it is undecided or unreadable.
        sha256: Hash of its file; empty if it is not known.
    """

    name: str
    verdict: Verdict
    reason: str = ""
    sha256: str = ""


def verdict_on_part(views: Sequence[View], per_part: int) -> tuple[Verdict, str]:
    """Derive the verdict on a part from its views, and the reason if it is undecided.

    A part is good only if all its views are there and good. One view twice, by its name without extension or by its
    file, is not two views. A view above the threshold makes the part defective, even if others are missing; but a part
    with more views than those of the calibration has more chances to be flagged.

    Args:
        views: At least one view.
        per_part: Number of views of the parts that calibrate.

    Example:
        >>> verdict_on_part([View("1.png", "good"), View("2.png", "defective")], per_part=3)
        ('defective', '')
        >>> verdict_on_part([View("1.png", "good"), View("2.png", "unreadable", "It is cut off.")], per_part=2)
        ('undecided', "The view '2.png' is unreadable: It is cut off.")
    """
    if len(views) > per_part:
        return UNDECIDED, _another_number(len(views), per_part)
    found = {view.verdict for view in views}
    if DEFECTIVE in found:
        return DEFECTIVE, ""
    if found == {UNREADABLE} and len(views) == per_part:
        return UNREADABLE, ""
    for view in views:
        if view.verdict in (UNREADABLE, UNDECIDED):
            return UNDECIDED, f"The view '{view.name}' is {view.verdict}: {view.reason}"
    missing = _another_number(len(views), per_part) if len(views) < per_part else _twice(views)
    if missing:
        return UNDECIDED, missing
    return (DOUBTFUL if DOUBTFUL in found else GOOD), ""


class OnPart(NamedTuple):
    """Conclusion on a part from its images.

    Attributes:
        part: The part that an image shows; None if its name tells none.
        verdict: Verdict on the part.
        reason: Why it is undecided, or which other view makes it doubtful or defective, a sentence; empty otherwise.
    """

    part: str | None
    verdict: Verdict
    reason: str


def verdicts_on_parts(images: Sequence[View], views: Views) -> list[OnPart]:
    """Derive the verdict on the part of each image.

    Args:
        images: All images of an inspection.
        views: Views of the model.
    """
    parts = [views.part_of_file(image.name) for image in images]
    of_part: dict[str, list[View]] = {}
    for part, image in zip(parts, images, strict=True):
        if part is not None:
            of_part.setdefault(part, []).append(image)
    verdicts = {part: verdict_on_part(of, views.per_part) for part, of in of_part.items()}
    return [
        _on_no_part(image, views)
        if part is None
        else _on_part(part, image, of_part[part], *verdicts[part])
        for part, image in zip(parts, images, strict=True)
    ]


def _on_part(
    part: str, image: View, of_part: Sequence[View], verdict: Verdict, reason: str
) -> OnPart:
    """Conclude on the part of an image, with the view that decides where the image by itself is no reason."""
    if verdict in (DEFECTIVE, DOUBTFUL) and image.verdict != verdict:
        deciding = next(view.name for view in of_part if view.verdict == verdict)
        reason = f"The view '{deciding}' of this part is {verdict}."
    return OnPart(part, verdict, reason)


def _on_no_part(image: View, views: Views) -> OnPart:
    if image.verdict in (UNREADABLE, DEFECTIVE):
        return OnPart(None, image.verdict, "")
    unnamed = f"The name of this image tells no part by '{views.group_by}'."
    return OnPart(None, UNDECIDED, image.reason or unnamed)


def _twice(views: Sequence[View]) -> str:
    """Say which images are one view, a sentence; empty if none are."""
    for first, second in combinations(views, 2):
        is_same_file = bool(first.sha256) and first.sha256 == second.sha256
        if is_same_file or len({posixpath.splitext(one.name)[0] for one in (first, second)}) == 1:
            return f"'{first.name}' and '{second.name}' are one view twice, so that a view of this part is missing."
    return ""


def _another_number(n_views: int, per_part: int) -> str:
    there = "1 view of this part is" if n_views == 1 else f"{n_views} views of this part are"
    return (
        f"{there} there, and the good parts of the calibration have {per_part} each: the false-alarm rate is promised "
        f"for that number."
    )


def parts_of(group_by: str, names: Iterable[str], *, are_files: bool = False) -> dict[str, str]:
    """Find the part of each image.

    Args:
        group_by: The regular expression.
        names: Names of images.
        are_files: True if the names have extensions.

    Raises:
        InputError: If a name tells no part.
    """
    names, views = list(names), Views(group_by, 1)
    found = {
        name: views.part_of_file(name) if are_files else part_of(group_by, name) for name in names
    }
    without = [name for name, part in found.items() if part is None]
    if without:
        others = f" and {len(without) - 1} of {len(names) - 1} others" if len(without) > 1 else ""
        msg = (
            f"split.group_by = '{group_by}' finds no part in the image {without[0]!r}{others}: correct the expression, "
            f"so that every image belongs to a part."
        )
        raise InputError(msg)
    return {name: part for name, part in found.items() if part is not None}


def count_views(group_by: str, parts: Mapping[str, str], where: str) -> int:
    """Count the views of each good part.

    Args:
        group_by: The regular expression.
        parts: Part of each image; at least one.
        where: Place of the images, for error messages.

    Raises:
        InputError: If parts differ in their number of views.
    """
    ranked = Counter(parts.values()).most_common()
    (most, high), (least, low) = ranked[0], ranked[-1]
    if low != high:
        msg = (
            f"By split.group_by = '{group_by}' the good part {least!r} of {where} has {low} and the good part {most!r} "
            f"{high} images: the false-alarm rate is promised for parts of one number of views, so give each good part "
            f"the same number, or correct the expression."
        )
        raise InputError(msg)
    return high
