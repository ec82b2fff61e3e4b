"""Example images that show whether a network reconstructs defects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import masks_of
from reb_pipeline.images.resize import resize_image

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.defectmaker.records import SyntheticDefects
    from reb_pipeline.images.samples import Samples

N_KINDS = 3  # kinds of synthetic defects to show
N_HARDEST = 2  # test images to show


@dataclass(frozen=True, eq=False)
class Example:
    """An image to reconstruct.

    Attributes:
        title: Title in figures.
        image: uint8 [height, width, 3] RGB.
        mask: bool of the image's height and width, True = defect; None if not known.
        good: The image without its defect, same shape; None if not known.
    """

    title: str
    image: np.ndarray
    mask: np.ndarray | None = None
    good: np.ndarray | None = None


def synthetic_examples(
    samples: "Samples", defects: "SyntheticDefects", rows: Sequence[int] | None = None
) -> Iterator[Example]:
    """Yield synthetic defects together with the good images that they were made from.

    Args:
        samples: The samples; must contain these good images.
        defects: The defects.
        rows: Row numbers of the defects; None for all.

    Raises:
        InputError: If a good image is no longer a sample, is not held out any more, or has changed.
    """
    defects.check_images(samples.held_out_good.table)
    rows = range(len(defects.labels)) if rows is None else rows
    image_ids, known = [defects.image_ids[row] for row in rows], set(samples.ids)
    for image_id in image_ids:
        if image_id not in known:
            msg = (
                f"The synthetic defects were made from {image_id!r}, which is no sample: run the pipeline "
                f"defect_synthesis again."
            )
            raise InputError(msg)
    for row, (_, good) in zip(rows, samples.named(image_ids).stream(), strict=True):
        image = defects.images[row]
        yield Example(
            f"synthetic defect, {defects.kinds[defects.labels[row] - 1]}",
            image,
            defects.masks[row],
            resize_image(good, len(image)),
        )


def choose_examples(
    samples: "Samples", defects: "SyntheticDefects", scores: "pd.DataFrame", side: int
) -> list[Example]:
    """Select a held-out good image, some synthetic defects, and the anomalous test images with the lowest scores.

    The synthetic defects are the largest ones of three kinds, which are spread evenly over the list of kinds.

    Args:
        samples: The samples.
        defects: Synthetic defects.
        scores: One row per model and test image: ``id``, ``path``, ``label``, ``defect_type``, ``mask_paths``,
            ``model``, ``image_score``. Test images are compared by their mean rank over models.
        side: Side that good and test images are resized to, that of the networks, in pixels.
    """
    good_id, good = next(samples.held_out_good.stream())
    return [
        Example(f"held-out good image {good_id}", resize_image(good, side)),
        *synthetic_examples(samples, defects, _largest_of_kinds(defects)),
        *_test_examples(_hardest(samples, scores), side),
    ]


def _largest_of_kinds(defects: "SyntheticDefects") -> list[int]:
    """Find the row of the defect with the largest mask, for each of the selected kinds."""
    areas = defects.masks.sum(axis=(1, 2))
    labels = np.unique(defects.labels)
    spread = np.unique(np.linspace(0, len(labels) - 1, N_KINDS).round().astype(int))
    return [int(np.where(defects.labels == label, areas, -1).argmax()) for label in labels[spread]]


def _hardest(samples: "Samples", scores: "pd.DataFrame") -> "Samples":
    """Select the anomalous images with the lowest mean rank; ties are broken by id."""
    ranks = scores.assign(rank=scores.groupby("model")["image_score"].rank())
    anomalous = ranks[ranks["label"] == 1]
    mean_rank = anomalous.groupby("id")["rank"].mean().sort_values(kind="stable")
    hardest = mean_rank.index[:N_HARDEST].tolist()
    return samples.only(anomalous.drop_duplicates("id")).named(hardest)


def _test_examples(samples: "Samples", side: int) -> Iterator[Example]:
    from reb_pipeline.images.samples import placements_of
    from reb_pipeline.metrics.report import resize_mask

    row: Any
    placements = placements_of(samples.table)
    for (image_id, image), row, placement in zip(
        samples.stream(), samples.table.itertuples(), placements, strict=True
    ):
        mask = None
        if (masks := masks_of(row))[0]:
            there = samples.images.open_mask(*masks).astype(np.uint8)
            mask = resize_mask(placement.aligned(there).astype(bool), (side, side))
        title = f"test image {image_id}, {row.defect_type}"
        yield Example(title, resize_image(image, side), mask)
