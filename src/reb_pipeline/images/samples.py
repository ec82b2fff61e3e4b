"""Samples of a category, and their selection for learning, validation and test."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.pose import Placement, Pose
from reb_pipeline.images.shown import shown
from reb_pipeline.images.value_range import ValueRange

if TYPE_CHECKING:
    import pandas as pd

HOLD_OUT_EVERY = 10
UNSEEN = ("calibration", "test")  # splits that nothing may have learnt from
# Columns of aligned samples: about the golden image, and where the part lies in each image.
POSED = "pose"
PLACEMENT = tuple(f"pose_{name}" for name in Placement.__match_args__)
POSE_COLUMNS = (POSED, *PLACEMENT)
LIMITS = ("least_quality", "least_cover", "most_twin")


class ImageOpener(Protocol):
    """Access to the images of a category, such as :class:`reb_pipeline.images.collection.ImageCollection`."""

    category: str

    def open_image(self, path: str, sha256: str = "") -> np.ndarray:
        """Open one image, uint8 [height, width, 3] RGB; refuse a file with another hash, if one is given."""

    def open_mask(self, mask_paths: Sequence[str], hashes: Sequence[str] = ()) -> np.ndarray:
        """Open the masks of one image and unite them, bool [height, width]; hashes as :meth:`open_image`."""


@dataclass(frozen=True)
class Samples:
    """Table of samples with access to their images; images are opened one at a time and not kept.

    Attributes:
        table: One row per sample: id, path, split, label, ….
        images: Opens the images.

    Example:
        >>> import fsspec
        >>> from reb_pipeline.images.collection import ImageCollection, Sample
        >>> good = Sample("good/000", "tile/good/000.png", "train", 0, "good")
        >>> cracked = Sample("crack/000", "tile/crack/000.png", "test", 1, "crack")
        >>> images = ImageCollection(fsspec.filesystem("memory"), "/data", "tile", [good, cracked], [], {})
        >>> samples = Samples(images.table, images)
        >>> samples.good_training.ids, samples.test.ids
        (['good/000'], ['crack/000'])
    """

    table: "pd.DataFrame"
    images: ImageOpener

    def __len__(self) -> int:
        return len(self.table)

    @property
    def category(self) -> str:
        """Name of the category."""
        return self.images.category

    @property
    def value_range(self) -> ValueRange | None:
        """Range of the values of images with more than 8 bits; None for openers of 8-bit images only."""
        return getattr(self.images, "value_range", None)

    @property
    def channels(self) -> Channels | None:
        """Channels that are picked from files; None where grey and RGB files are read as they are."""
        return getattr(self.images, "channels", None)

    @property
    def pose(self) -> Pose | None:
        """Golden image that the samples are aligned to; None if they are left as they were taken.

        Raises:
            InputError: If its file has changed.
        """
        if POSED not in self.table or not len(self.table):
            return None
        about = json.loads(self.table[POSED].iloc[0])
        golden = open_sample(self.images, about["golden"], about["sha256"])
        return replace(Pose.to(golden, about["kind"]), **{name: about[name] for name in LIMITS})

    @property
    def as_taken(self) -> "Samples":
        """Samples whose images are opened as they were taken, not aligned."""
        return self.only(self.table.drop(columns=list(POSE_COLUMNS), errors="ignore"))

    @property
    def ids(self) -> list[str]:
        """Ids in the order of the table."""
        return self.table["id"].tolist()

    @property
    def good_training(self) -> "Samples":
        """Good images of the training split."""
        return self.only(good_training(self.table))

    @property
    def held_out_good(self) -> "Samples":
        """Good images to validate on, see :func:`held_out_good`."""
        return self.only(held_out_good(self.table))

    @property
    def good_finetuning(self) -> "Samples":
        """Good images to train networks on, see :func:`good_finetuning`."""
        return self.only(good_finetuning(self.table))

    @property
    def test(self) -> "Samples":
        """Images of the test split."""
        return self.only(self.table[self.table["split"] == "test"])

    def only(self, table: "pd.DataFrame") -> "Samples":
        """Select samples by rows of the table."""
        return replace(self, table=table)

    @property
    def openers(self) -> list[Callable[[], np.ndarray]]:
        """Functions that open each image, aligned, and refuse a file that is not the one of the table."""
        rows = zip(
            self.table["path"], hashes_of(self.table), placements_of(self.table), strict=True
        )
        return [partial(_open_aligned, self.images, *row) for row in rows]

    def named(self, image_ids: Sequence[str]) -> "Samples":
        """Select samples by their ids, in the order of the ids.

        Raises:
            KeyError: If an id is unknown.
        """
        return self.only(self.table.set_index("id").loc[list(image_ids)].reset_index())

    def stream(self, description: str | None = None) -> Iterator[tuple[str, np.ndarray]]:
        """Open the images one after the other.

        Args:
            description: Label of the progress bar after the name of the category; None shows no bar.

        Yields:
            (id, uint8 [height, width, 3] RGB) of each image.
        """
        rows = progress(
            zip(self.ids, self.openers, strict=True),
            description and f"{self.category}: {description}",
            total=len(self),
        )
        for image_id, opener in rows:
            yield image_id, opener()


def hashes_of(samples: "pd.DataFrame") -> list[str]:
    """List the SHA-256 of each image's file; empty texts if the samples have none."""
    return samples["sha256"].tolist() if "sha256" in samples else [""] * len(samples)


def placements_of(samples: "pd.DataFrame") -> list[Placement]:
    """List where the part lies in each image; where the golden image has it if the samples are not aligned."""
    if POSED not in samples:
        return [Placement()] * len(samples)
    rows = zip(*(samples[column] for column in PLACEMENT), strict=True)
    return [Placement(*row) for row in rows]


def check_images(
    what: str,
    samples: "pd.DataFrame",
    image_ids: Sequence[str],
    hashes: Sequence[str],
    again: str,
    *,
    complete: bool = True,
) -> None:
    """Check that something stored was made from the images of a table of samples; unknown hashes pass.

    Args:
        what: Beginning of the error message, such as "The memory bank was made from".
        samples: The images that it must have been made from.
        image_ids: Ids of the images that it was made from.
        hashes: SHA-256 of their files; empty if it does not know them.
        again: Instruction to make it again.
        complete: False lets images pass that it was not made from.

    Raises:
        InputError: If an image is gone, changed, or new.
    """
    there = dict(zip(samples["id"], hashes_of(samples), strict=True))
    used = dict(zip(image_ids, hashes or [""] * len(image_ids), strict=True))
    for image_id in [*used, *there] if complete else used:
        now, then = there.get(image_id), used.get(image_id)
        if now is None or then is None or (now and then and now != then):
            how = (
                "is new" if then is None else "is not among them" if now is None else "has changed"
            )
            msg = f"{what} other images than the samples list now ({image_id!r} {how}): {again}."
            raise InputError(msg)


def open_sample(images: ImageOpener, path: str, sha256: str = "") -> np.ndarray:
    """Open an image, uint8 [height, width, 3] RGB; openers of images in memory need not know hashes.

    Raises:
        InputError: If the file has another hash.
    """
    return images.open_image(path, sha256) if sha256 else images.open_image(path)


def _open_aligned(images: ImageOpener, path: str, sha256: str, placement: Placement) -> np.ndarray:
    return placement.aligned(open_sample(images, path, sha256))


def open_shown(images: ImageOpener, path: str, sha256: str = "") -> np.ndarray:
    """Open an image at the size that it is shown at, see :func:`reb_pipeline.images.shown.shown`.

    Openers of images in memory need not know how to decode less.

    Raises:
        InputError: If the file has another hash.
    """
    opener = getattr(images, "open_shown", None)
    return opener(path, sha256) if opener else shown(open_sample(images, path, sha256))


def learnt_from(samples: Samples) -> dict[str, list[str]]:
    """List ids and hashes of the images that a network is trained on, for its configuration."""
    return {"image_ids": samples.ids, "image_hashes": hashes_of(samples.table)}


def check_learnt(what: str, config: Mapping[str, Any], samples: "pd.DataFrame", again: str) -> None:
    """Check that a network has learnt from no image that it is to be tested or calibrated with, nor from changed ones.

    Images that are new or gone do not matter: an update of the memory bank keeps the network.

    Args:
        what: Name of the network.
        config: Its configuration, see :func:`learnt_from`; one without images passes.
        samples: Table of samples.
        again: Instruction to make it again.

    Raises:
        InputError: If an image has moved to another split, or its file has changed.
    """
    ids, hashes = config.get("image_ids", []), config.get("image_hashes", [])
    learnt = dict(zip(ids, hashes, strict=True))
    now = dict(zip(samples["id"], hashes_of(samples), strict=True))
    is_unseen = samples["split"].isin(UNSEEN)
    unseen = samples[is_unseen]
    moved = set(filter(None, hashes)) - set(hashes_of(samples[~is_unseen]))  # under another name
    seen = [
        image_id
        for image_id, sha256 in zip(unseen["id"], hashes_of(unseen), strict=True)
        if image_id in learnt or sha256 in moved
    ]
    changed = [one for one, then in learnt.items() if then and now.get(one) and now[one] != then]
    for found, how in (
        (seen, "which are now in the test or calibration split, so their scores would flatter it"),
        (changed, "whose files have changed"),
    ):
        if found:
            msg = f"{what} has learnt from {len(found)} images {how}, the first {found[0]!r}: {again}."
            raise InputError(msg)


def good_training(samples: "pd.DataFrame") -> "pd.DataFrame":
    """Select the good images of the training split."""
    return samples[(samples["split"] == "train") & (samples["label"] == 0)]


def held_out_good(samples: "pd.DataFrame") -> "pd.DataFrame":
    """Select good images to validate on: the calibration split, or else every tenth good training image.

    Calibration images that are copies are left out, see :func:`copies_in_calibration`.
    """
    is_calibration = (samples["split"] == "calibration") & (samples["label"] == 0)
    calibration = samples[is_calibration & ~copies_in_calibration(samples)]
    return calibration if len(calibration) else good_training(samples).iloc[::HOLD_OUT_EVERY]


def content_column(samples: "pd.DataFrame") -> str:
    """Return the column of hashes that tell equal images: of pixels, in samples of older versions of files."""
    return "pixels_sha256" if "pixels_sha256" in samples else "sha256"


def copies_of_training(samples: "pd.DataFrame") -> "pd.Series[bool]":
    """Mark the test images whose pixels are also those of a good training image, so that a memory bank knows them."""
    content = content_column(samples)
    is_test = samples["split"] == "test"
    if content not in samples:  # images in memory
        return is_test & False
    return is_test & samples[content].isin(good_training(samples)[content])


def copies_in_calibration(samples: "pd.DataFrame") -> "pd.Series[bool]":
    """Mark the good calibration images whose pixels are those of a good training image or of one before them.

    They score lower than new images, or count one image twice, so that a threshold of them would promise too much.
    """
    content = content_column(samples)
    is_calibration = (samples["split"] == "calibration") & (samples["label"] == 0)
    if content not in samples:  # images in memory
        return is_calibration & False
    is_again = samples[content].where(is_calibration).duplicated()
    return is_calibration & (samples[content].isin(good_training(samples)[content]) | is_again)


def good_finetuning(samples: "pd.DataFrame") -> "pd.DataFrame":
    """Select the good training images that are not held out; all of them if none would remain."""
    good = good_training(samples)
    rest = good[~good["id"].isin(held_out_good(samples)["id"])]
    return rest if len(rest) else good
