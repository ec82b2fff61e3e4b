"""Poses of samples: columns of their table, from which every step opens aligned images."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.opening import open_image
from reb_pipeline.images.pose import AS_TAKEN, Placement, Pose
from reb_pipeline.images.samples import LIMITS, PLACEMENT, POSED, Samples, hashes_of
from reb_pipeline.images.value_range import ValueRange

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def aligned(samples: Samples, kind: str, golden: str | None = None) -> "pd.DataFrame":
    """Align all samples to a golden image, and learn from good training images what counts as aligned.

    Args:
        samples: The samples.
        kind: One of :data:`reb_pipeline.images.pose.POSES`; ``as_taken`` leaves the table as it is.
        golden: Path or URL of the golden image; None chooses a good training image.

    Returns:
        The table with further columns, the same for all steps that follow: ``pose`` (JSON text about the golden image,
        the same in every row), and the fields of :class:`reb_pipeline.images.pose.Placement` with the prefix ``pose_``.

    Raises:
        InputError: If the golden image cannot be read, there is no good training image, or too few can be aligned.
    """
    from reb_pipeline.images.golden import choose_golden, with_limits

    if kind == AS_TAKEN:
        return samples.table
    good = samples.good_training
    if not len(good):
        msg = "There is no good training image to align others to: check the training split."
        raise InputError(msg)
    given = golden_image(golden, samples.value_range, samples.channels)
    chosen = choose_golden(good.openers, kind, given)
    path = golden if golden is None or "://" in golden else Path(golden).resolve().as_uri()
    about: dict[str, Any] = {"golden": path, "sha256": "", "kind": chosen.pose.kind}
    if chosen.number is not None:
        row = good.table.iloc[chosen.number]
        about |= {"golden": row["path"], "sha256": hashes_of(good.table)[chosen.number]}
    found = _placed(samples, chosen.pose)
    is_good = samples.table["id"].isin(good.ids).tolist()
    limited = with_limits(
        chosen.pose, [one for one, counts in zip(found, is_good, strict=True) if counts]
    )
    about |= {name: getattr(limited, name) for name in LIMITS}
    found = [limited.judged(one) for one in found]
    for note in chosen.notes:
        logger.warning("%s: %s", samples.category, note)
    table = _with(samples.table, about, found)
    faults = sum(bool(one.fault) for one in found)
    of_good = sum(bool(one.fault) for one, counts in zip(found, is_good, strict=True) if counts)
    logger.info(
        "%s: aligned to %s (%s); %d of %d images could not be aligned, %d of these among the %d good ones learnt from. "
        "Of good parts, at most %.1f %% are expected to be undecided for it.",
        samples.category,
        about["golden"],
        limited.statement,
        faults,
        len(found),
        of_good,
        len(good),
        100 * unaligned_at_most(samples.only(table)),
    )
    return table


def golden_image(
    path: str | None, value_range: ValueRange | None = None, channels: Channels | None = None
) -> np.ndarray | None:
    """Open the golden image of a setting, uint8 [height, width, 3] RGB; None if there is none.

    Args:
        path: Its path or URL.
        value_range: Range of the values of images with more than 8 bits.
        channels: Channels that are picked from files; None reads grey and RGB files.

    Raises:
        InputError: If it cannot be read.
    """
    if path is None:
        return None
    try:
        return open_image(path, value_range, channels)
    except InputError as error:
        msg = f"ingestion.golden = {path!r} cannot be read as an image: {error}"
        raise InputError(msg) from error


def aligned_like(samples: Samples, table: "pd.DataFrame") -> "pd.DataFrame":
    """Align further images to the golden image of samples.

    Args:
        samples: The samples.
        table: Table of the others, opened as the samples are.

    Returns:
        The table with the columns of :func:`aligned`, if the samples have them.
    """
    pose = samples.pose
    if pose is None:
        return table
    return _with(
        table, json.loads(samples.table[POSED].iloc[0]), _placed(samples.only(table), pose)
    )


def unaligned_at_most(samples: Samples) -> float:
    """Bound the share of good parts that are refused because they cannot be aligned; 0 if none is aligned.

    A new image is as likely to be the worst aligned as each good training image, by quality, cover and twin.
    """
    good = samples.good_training
    if POSED not in good.table or not len(good):
        return 0.0
    refused = int((good.table["pose_fault"] != "").sum())
    return min(1.0, (refused + 3) / (len(good) + 1))


def _placed(samples: Samples, pose: Pose) -> list[Placement]:
    openers = progress(samples.openers, f"{samples.category}: images aligned", total=len(samples))
    return [pose.placed(opener()) for opener in openers]


def _with(
    table: "pd.DataFrame", about: Mapping[str, Any], found: list[Placement]
) -> "pd.DataFrame":
    columns = {
        column: [getattr(one, name) for one in found]
        for column, name in zip(PLACEMENT, Placement.__match_args__, strict=True)
    }
    return table.assign(**{POSED: json.dumps(about), **columns})
