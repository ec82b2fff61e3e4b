"""Golden image of a category: chosen among its good images, with the limits of what can be aligned to it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.evenly import spread
from reb_pipeline.images.alignment import Found
from reb_pipeline.images.pose import RIGID, SHIFT, Placement, Pose

Opener = Callable[[], np.ndarray]

CANDIDATES, PROBES = 6, 12  # images that one is chosen from, and that each is compared with
LEAST_QUALITY = 0.4  # images of other parts reach less; see docs/measured/pose.md
LEAST_SHARE = 0.7  # of the median quality of good images: few defects reach less
LEAST_COVER, ENOUGH_COVER = 0.5, 0.9
LEAST_TWIN = 0.7  # images of two parts reach nearly 1
EVEN = 0.8  # correlation at the worst angle, as a share of that at the best: the part has no angle
RIVAL = 0.95  # quality at another angle, as a share of that at the best
TOO_MANY = (
    0.2  # share of good images without a pose that says that the golden image is none of theirs
)

logger = logging.getLogger(__name__)


class Chosen(NamedTuple):
    """Golden image of good images.

    Attributes:
        number: Number of the image; None for a template.
        pose: Its pose, without limits.
        notes: Sentences about poses that are ambiguous.
    """

    number: int | None
    pose: Pose
    notes: list[str]


def choose_golden(good: Sequence[Opener], kind: str, template: np.ndarray | None = None) -> Chosen:
    """Choose the good image that the others resemble most after alignment, the medoid.

    Args:
        good: Functions that open the good images, uint8 [height, width, 3] RGB; at least one.
        kind: ``"shift"`` or ``"rigid"``.
        template: Golden image that is given, uint8 [height, width, 3] RGB; None chooses one.

    Raises:
        InputError: If good images have other shapes than the golden one.
    """
    probes = [good[index]() for index in spread(len(good), PROBES)]
    if template is not None:
        pose, index = Pose.to(template, kind), None
        found = _found(pose, probes)
    else:
        tried = [
            (number, Pose.to(good[number](), kind)) for number in spread(len(good), CANDIDATES)
        ]
        of_each = [(number, pose, _found(pose, probes)) for number, pose in tried]
        index, pose, found = max(
            of_each, key=lambda one: float(np.median([each.quality for each in one[2]]))
        )
    if kind == RIGID and np.median([one.evenness for one in found]) >= EVEN:
        note = (
            "The part looks alike at every angle, so that its pose is ambiguous: parts are aligned by their place "
            "alone and not turned."
        )
        return Chosen(index, replace(pose, kind=SHIFT), [note])
    notes = []
    if np.median([one.rival / max(one.quality, 1e-6) for one in found]) >= RIVAL:
        notes.append(
            "The part looks almost alike at several angles, so that its pose is ambiguous: each image is turned to the "
            "best of them; pose = shift turns none."
        )
    return Chosen(index, pose, notes)


def with_limits(pose: Pose, placements: Sequence[Placement]) -> Pose:
    """Set what an image must reach to count as aligned, by the placements of good images.

    The limits are the worst values of good images, so that of n of them and a new one all n + 1 are equally likely to
    be worst. They are no lower than what images of something else reach, and no higher than what defects leave.

    Raises:
        InputError: If too many good images would not be aligned.
    """
    quality = np.array([one.quality for one in placements])
    cover = np.array([one.cover for one in placements])
    twin = np.array([one.twin for one in placements])
    found = replace(
        pose,
        least_quality=float(
            max(LEAST_QUALITY, min(quality.min(), LEAST_SHARE * np.median(quality)))
        ),
        least_cover=float(max(LEAST_COVER, min(cover.min(), ENOUGH_COVER))),
        most_twin=float(max(LEAST_TWIN, twin.max())),
    )
    refused = int(((quality < found.least_quality) | (cover < found.least_cover)).sum())
    if refused > TOO_MANY * len(quality):
        msg = (
            f"{refused} of {len(quality)} good images cannot be aligned to the golden image (their median quality is "
            f"{np.median(quality):.2f}): set ingestion.pose to as_taken if parts have no common shape, or name "
            f"another image by ingestion.golden."
        )
        raise InputError(msg)
    return found


def _found(pose: Pose, images: Sequence[np.ndarray]) -> list[Found]:
    """Search the pose of images."""
    found = [pose.found(image) for image in images]
    if None in found:
        msg = (
            "Good images differ in their width over height, so that they cannot be aligned to one of them: set "
            "ingestion.pose to as_taken, or give images of one camera."
        )
        raise InputError(msg)
    return [one for one in found if one is not None]
