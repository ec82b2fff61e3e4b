"""Changes of the table of samples by a bank update: removed and added good images."""

import logging
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.images.channels import Channels
    from reb_pipeline.images.value_range import ValueRange

ADDED = "added"  # prefix of the ids of added images, so that they differ from those of the data set

logger = logging.getLogger(__name__)


def without(
    samples: "pd.DataFrame", names: Sequence[str], former_ids: Collection[str] = ()
) -> "pd.DataFrame":
    """Remove good training images; those that an interrupted update removed may be named again.

    Args:
        samples: The table of samples.
        names: Ids, or patterns of ids with ``*``, ``?`` and ``[]``.
        former_ids: Ids of images that were samples once. All that begin with ``added/`` may have been.

    Raises:
        InputError: If a name matches no good training image, now or before, or no image would be left.
    """
    from reb_pipeline.images.samples import good_training

    known = good_training(samples)["id"].tolist()
    gone: set[str] = set()
    for name in names:
        fitting = {name} if name in known else {i for i in known if fnmatchcase(i, name)}
        is_gone = name.startswith(f"{ADDED}/") or any(fnmatchcase(i, name) for i in former_ids)
        if not fitting and (is_gone or name in former_ids):
            logger.warning("%r of bank_update.forget names no image that is still there.", name)
        elif not fitting:
            close = get_close_matches(name, known, n=1) or known[:1]
            msg = (
                f"bank_update.forget names {name!r}, but none of the {len(known)} good training images is called so: "
                f"did you mean {close[0]!r}?"
            )
            raise InputError(msg)
        gone |= fitting
    if len(gone) == len(known):
        msg = (
            f"bank_update.forget = {list(names)} fits all {len(known)} good training images and nothing would be left "
            f"to compare with: name fewer, or start from other images with plain kedro run."
        )
        raise InputError(msg)
    return samples[~samples["id"].isin(gone)].reset_index(drop=True)


def images_to_add(
    folder: str,
    max_unreadable_share: float,
    value_range: "ValueRange | None" = None,
    channels: "Channels | None" = None,
) -> "pd.DataFrame":
    """Open every image of a folder once and list it as a sample.

    Args:
        folder: Path or URL (any fsspec file system) of a folder of good images; subfolders are included.
        max_unreadable_share: Largest allowed share of unreadable images.
        value_range: Range of the values of images with more than 8 bits, that of the images already there.
        channels: Channels that are picked from files, those of the images already there.

    Returns:
        Rows of the table of samples. The id consists of ``added``, the name of the folder and the path below it. The
        path is a URL, because the image is outside of the data root.

    Raises:
        InputError: If there is no image, or too many cannot be read.
    """
    from reb_pipeline.images.collection import loose_images
    from reb_pipeline.images.folder import not_read_sentences
    from reb_pipeline.images.inventory import take_inventory, usable_samples

    images = loose_images(folder, value_range=value_range, channels=channels)
    for sentence in not_read_sentences(images.not_read):
        logger.warning("%s: %s", folder, sentence)
    inventory = take_inventory(images, f"{images.category}: images to add")
    inventory["split"] = "train"
    found = usable_samples(inventory, max_unreadable_share)
    for sentence in inventory.loc[inventory["error"] != "", "error"]:
        logger.warning("Not added: %s", sentence)
    found["id"] = [f"{ADDED}/{images.category}/{image_id}" for image_id in found["id"]]
    found["path"] = [images.address(path) for path in found["path"]]
    return found


def with_added(
    samples: "pd.DataFrame", found: "pd.DataFrame", former_ids: Sequence[str]
) -> "pd.DataFrame":
    """Append new images to the samples; images that are already there are listed in a warning.

    Args:
        samples: The table of samples.
        found: Images from :func:`images_to_add`.
        former_ids: Ids before images were removed.

    Raises:
        InputError: If another image has the same id.
    """
    import pandas as pd

    from reb_pipeline.images.samples import content_column

    content = content_column(samples)
    is_there = found[content].isin(samples[content]) | found[content].duplicated()
    if is_there.any():
        logger.warning(
            "%d of %d images to add have the content of one that is there already and are skipped, first %s.",
            is_there.sum(),
            len(found),
            found.loc[is_there, "id"].iloc[0],
        )
    fresh = found[~is_there]
    taken = fresh.loc[fresh["id"].isin(former_ids), "id"]
    if len(taken):
        msg = (
            f"Another image is called {taken.iloc[0]!r} already: rename the folder of bank_update.add, or forget that "
            f"image first, in a run of its own."
        )
        raise InputError(msg)
    return pd.concat([samples, fresh[samples.columns]], ignore_index=True)
