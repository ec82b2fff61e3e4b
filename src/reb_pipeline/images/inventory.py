"""Inventory of raw files, made by opening every image once, and the audit of the inventory."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.core.text_lists import EMPTY, from_text, to_text
from reb_pipeline.images.folder import not_read_sentences
from reb_pipeline.images.leave_out import leave_out
from reb_pipeline.images.masks import MASK_DOUBTS
from reb_pipeline.images.samples import good_training

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.images.collection import ImageCollection
    from reb_pipeline.images.value_range import ValueRange

FEW_TRAINING_IMAGES = 2  # at most so many are named as too few


def take_inventory(images: "ImageCollection", description: str) -> "pd.DataFrame":
    """Open every image and mask once, and record their sizes, modes and errors.

    Args:
        images: Images of a category.
        description: Label of the progress bar.

    Returns:
        ``images.table`` with further columns: ``error`` (reason why an image cannot be used, else empty); ``sha256``
        of the file; ``pixels_sha256`` of the decoded pixels, see :func:`pixel_digest`; ``width`` and ``height`` in
        pixels; ``mode`` (Pillow's name of the channels); ``remarks`` (what was done to the image beside the decoding,
        JSON text); ``mask_sha256`` of each mask's file (JSON text); ``mask_error``, ``mask_width`` and
        ``mask_height``; ``mask_pixels`` (number of anomalous pixels; 0 without a mask); ``mask_doubts`` (JSON text, see
        :func:`reb_pipeline.images.masks.mask_doubts`).

    Raises:
        InputError: If the good training images lack a channel that is to be picked.
    """
    import pandas as pd

    images.channels  # noqa: B018  # before every image is refused for it
    table = images.table
    found = [
        _inspect(images, path, from_text(masks))
        for path, masks in progress(
            zip(table["path"], table["mask_paths"], strict=True), description, total=len(table)
        )
    ]
    return pd.concat([table, pd.DataFrame(found, index=table.index)], axis="columns")


def _inspect(images: "ImageCollection", path: str, mask_paths: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "error": "", "sha256": "", "pixels_sha256": "", "width": 0, "height": 0, "mode": "", "remarks": EMPTY,
        "mask_sha256": EMPTY, "mask_error": "", "mask_width": 0, "mask_height": 0, "mask_pixels": 0,
        "mask_doubts": EMPTY,
    }  # fmt: skip
    try:
        data = images.read(path)
        facts["sha256"] = hashlib.sha256(data).hexdigest()
        image = images.decode(path, data)
        facts["height"], facts["width"] = image.pixels.shape[:2]
        facts["mode"] = image.mode
        facts["remarks"] = to_text(image.remarks)
        facts["pixels_sha256"] = pixel_digest(image.pixels)
        if image.is_deep:
            images.open_image(path)  # values may be out of range
    except InputError as error:
        facts["error"] = str(error)
    if mask_paths:
        try:
            hashes = [hashlib.sha256(images.read(one)).hexdigest() for one in mask_paths]
            mask = images.open_mask(mask_paths, hashes)
            facts["mask_sha256"] = to_text(hashes)
            facts["mask_height"], facts["mask_width"] = mask.shape
            facts["mask_pixels"] = int(mask.sum())
            facts["mask_doubts"] = to_text(images.doubts_of_mask(mask_paths))
        except InputError as error:
            facts["mask_error"] = str(error)
    return facts


def pixel_digest(pixels: np.ndarray) -> str:
    """Hash the decoded pixels of an image, so that copies are found in another format or orientation.

    Args:
        pixels: [height, width] grey or [height, width, 3] RGB, in the depth of the file.

    Returns:
        SHA-256 of shape, dtype and RGB values.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.images.inventory import pixel_digest
        >>> grey = np.array([[7, 8]], np.uint8)
        >>> pixel_digest(grey) == pixel_digest(np.stack([grey] * 3, axis=2))
        True
        >>> pixel_digest(grey) == pixel_digest(grey.T)
        False
    """
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    digest = hashlib.sha256(f"{rgb.shape} {rgb.dtype.name}".encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()


def usable_samples(
    inventory: "pd.DataFrame", max_unreadable_share: float, left_out: str | None = None
) -> "pd.DataFrame":
    """Remove unreadable images, and masks that are unreadable or differ in size from their image.

    Args:
        inventory: See :func:`take_inventory`.
        max_unreadable_share: Largest acceptable share of unreadable images, 0 to 1.
        left_out: Path or URL of a list of good training images to leave out, see
            :func:`reb_pipeline.images.leave_out.leave_out`; None leaves out none.

    Returns:
        Table of samples: the inventory's rows of readable images, without the columns of errors and mask sizes.

    Raises:
        InputError: If a larger share is unreadable, no good training image is left, the list cannot be used, or the
            inventory is of an older version.
    """
    _check_version(inventory)
    unreadable = inventory[inventory["error"] != ""]
    share = len(unreadable) / len(inventory)
    if share > max_unreadable_share:
        msg = (
            f"{len(unreadable)} of {len(inventory)} images ({share:.1%}) are unreadable, more than "
            f"ingestion.max_unreadable_share = {max_unreadable_share:.1%}; the first: {unreadable['error'].iloc[0]}"
        )
        raise InputError(msg)
    listed = leave_out(inventory, left_out) if left_out else inventory
    samples = listed[listed["error"] == ""].reset_index(drop=True)
    if not len(good_training(samples)):
        msg = "No readable good training image is left: a memory bank needs at least one."
        raise InputError(msg)
    unusable_mask = (samples["mask_error"] != "") | _mask_differs(samples)
    samples.loc[unusable_mask, ["mask_paths", "mask_sha256"]] = EMPTY
    dropped = [
        *("error", "remarks"),
        *("mask_error", "mask_width", "mask_height", "mask_pixels", "mask_doubts"),
    ]
    return samples.drop(columns=dropped)


def _check_version(inventory: "pd.DataFrame") -> None:
    missing = [
        name for name in ("pixels_sha256", "mask_doubts", "mask_sha256") if name not in inventory
    ]
    if missing:
        msg = (
            f"The inventory was made by an older version, without {' and '.join(missing)}: run the pipeline ingestion "
            "again."
        )
        raise InputError(msg)


def _mask_differs(inventory: "pd.DataFrame") -> "pd.Series[bool]":
    measured = inventory["mask_width"] > 0
    return measured & (
        (inventory["mask_width"] != inventory["width"])
        | (inventory["mask_height"] != inventory["height"])
    )


def audit(
    inventory: "pd.DataFrame",
    stray_masks: list[str],
    value_range: "ValueRange | None" = None,
    not_read: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """List errors and oddities in the data of a category.

    Args:
        inventory: See :func:`take_inventory`.
        stray_masks: Paths of masks that belong to no image.
        value_range: Range of the values of images with more than 8 bits; None if there are none.
        not_read: Paths of what is not read, by kind, see :data:`reb_pipeline.images.folder.NOT_READ`.

    Returns:
        JSON values: counts by split and defect type, and the findings of each kind.

    Raises:
        InputError: If the inventory is of an older version.
    """
    _check_version(inventory)
    readable = inventory[inventory["error"] == ""]
    anomalous = readable[readable["label"] == 1]
    masked = anomalous["mask_paths"] != EMPTY
    counts = Counter(zip(inventory["split"], inventory["defect_type"], strict=True))
    sizes = Counter(zip(readable["width"], readable["height"], strict=True))
    repeated = readable[readable["pixels_sha256"].duplicated(keep=False)]
    groups = [group for _, group in repeated.groupby("pixels_sha256", sort=False)]
    used = _columns(anomalous[~_mask_differs(anomalous)], "path", "mask_doubts")
    present = set(zip(readable["split"], readable["label"], strict=True))
    needed = {
        ("train", 0): "good training",
        ("test", 0): "good test",
        ("test", 1): "anomalous test",
    }
    return {
        "images": len(inventory),
        "counts": {f"{split}/{kind}": n for (split, kind), n in sorted(counts.items())},
        "not_read": dict(not_read or {}),
        "good_training_images": len(good_training(readable)),
        "empty_classes": [name for key, name in needed.items() if key not in present],
        "unreadable": dict(
            zip(*_columns(inventory[inventory["error"] != ""], "path", "error"), strict=True)
        ),
        "duplicates": [group["path"].tolist() for group in groups],
        "duplicates_between_splits": [
            group["path"].tolist() for group in groups if len(set(group["split"])) > 1
        ],
        "sizes": {f"{width}x{height}": n for (width, height), n in sizes.most_common()},
        "modes": dict(Counter(readable["mode"]).most_common()),
        "conversions": dict(
            Counter(remark for remarks in readable["remarks"] for remark in from_text(remarks))
        ),
        "value_range": str(value_range or ""),
        "inferred_range": bool(value_range and value_range.is_inferred),
        # Masks are missing only in a data set that has some.
        "without_mask": anomalous.loc[~masked, "path"].tolist() if masked.any() else [],
        "has_masks": bool(masked.any()),
        "masks_without_image": stray_masks,
        "unreadable_masks": dict(
            zip(
                *_columns(readable[readable["mask_error"] != ""], "path", "mask_error"), strict=True
            )
        ),
        "masks_of_another_size": readable.loc[_mask_differs(readable), "path"].tolist(),
        **{
            doubt: [path for path, doubts in zip(*used, strict=True) if doubt in from_text(doubts)]
            for doubt in MASK_DOUBTS
        },
    }


def _shown(found: str | list[str]) -> str:
    """Show a path, or the first two of a group of equal images."""
    if isinstance(found, str):
        return found
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return f"{found[0]} = {found[1]}{more}"


def _columns(table: "pd.DataFrame", *names: str) -> list[list[str]]:
    return [table[name].tolist() for name in names]


# What a category cannot have without images of a kind.
_WITHOUT = {
    "good training": "",
    "good test": ": no image metric can be computed, and no false alarm counted",
    "anomalous test": ": no metric can be computed, there are only scores, maps and thresholds",
}


def findings(report: dict[str, Any]) -> list[str]:
    """Describe each kind of finding in one sentence.

    Args:
        report: See :func:`audit`.
    """
    kinds = {
        "unreadable": "unreadable images are left out",
        "duplicates": "groups of images have the same pixels",
        "duplicates_between_splits": "of these groups stretch over several splits, which flatters the metrics",
        "without_mask": "anomalous images have no mask though others have: they count for image metrics only",
        "masks_without_image": "masks belong to no image",
        "unreadable_masks": "masks are unreadable and left out",
        "masks_of_another_size": "masks differ in size from their image and are left out",
        **MASK_DOUBTS,
    }
    sentences = [
        f"{len(report[kind])} {text}, first {_shown(next(iter(report[kind])))}"
        for kind, text in kinds.items()
        if report[kind]
    ]
    sentences += not_read_sentences(report["not_read"])
    sentences += [f"no {name} images{_WITHOUT[name]}" for name in report["empty_classes"]]
    if 0 < (count := report["good_training_images"]) <= FEW_TRAINING_IMAGES:
        sentences.append(
            f"only {count} good training images, too few to know how good parts differ: other good parts score too high"
        )
    sentences += [f"{count} images: {remark}" for remark, count in report["conversions"].items()]
    if report["inferred_range"]:
        sentences.append(
            f"images with more than 8 bits are read as {report['value_range']}; bit_depth or value_range of the raw "
            "images say otherwise"
        )
    for kind in ("sizes", "modes"):
        if len(report[kind]) > 1:
            found = ", ".join(f"{value} ({n})" for value, n in list(report[kind].items())[:4])
            sentences.append(f"{len(report[kind])} different {kind}: {found}")
    return sentences
