"""Images that show what a network reconstructs that it should not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.resize import resize_image

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.defectmaker.records import SyntheticDefects
    from reb_pipeline.images.samples import Samples

N_KINDS = 3  # of synthetic defects that are shown
N_HARDEST = 2  # test images that are shown


@dataclass(frozen=True, eq=False)
class Example:
    """An image to reconstruct.

    Attributes:
        title: What it is.
        image: uint8 [height, width, 3] RGB.
        mask: bool of the image's height and width, True = defect; None where that is not known.
        good: The image without its defect, of the same shape; None where there is none.
    """

    title: str
    image: np.ndarray
    mask: np.ndarray | None = None
    good: np.ndarray | None = None


def synthetic_examples(
    samples: "Samples", defects: "SyntheticDefects", rows: Sequence[int] | None = None
) -> Iterator[Example]:
    """Stream synthetic defects beside the good images that they were made from.

    Args:
        samples: The samples, these good images among them.
        defects: The defects.
        rows: Numbers of the defects; all without it.

    Raises:
        InputError: If a good image is no sample any more.
    """
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
    samples: "Samples", defects: "SyntheticDefects", scores: "pd.DataFrame"
) -> list[Example]:
    """Choose a held-out good image, the largest defects of three kinds, and the test defects that models score lowest.

    Args:
        samples: The samples.
        defects: Synthetic defects; the kinds are spread evenly over their list.
        scores: One row a model and test image: ``id``, ``path``, ``label``, ``defect_type``, ``mask_paths``, ``model``,
            ``image_score``; images are compared by their mean rank among all.
    """
    good_id, good = next(samples.held_out_good.stream())
    return [
        Example(f"held-out good image {good_id}", good),
        *synthetic_examples(samples, defects, _largest_of_kinds(defects)),
        *_test_examples(_hardest(samples, scores)),
    ]


def _largest_of_kinds(defects: "SyntheticDefects") -> list[int]:
    """One row a kind: its defect of the largest mask."""
    areas = defects.masks.sum(axis=(1, 2))
    labels = np.unique(defects.labels)
    spread = np.unique(np.linspace(0, len(labels) - 1, N_KINDS).round().astype(int))
    return [int(np.where(defects.labels == label, areas, -1).argmax()) for label in labels[spread]]


def _hardest(samples: "Samples", scores: "pd.DataFrame") -> "Samples":
    """The anomalous images of the lowest mean rank, ties by id."""
    ranks = scores.assign(rank=scores.groupby("model")["image_score"].rank())
    anomalous = ranks[ranks["label"] == 1]
    mean_rank = anomalous.groupby("id")["rank"].mean().sort_values(kind="stable")
    hardest = mean_rank.index[:N_HARDEST].tolist()
    return samples.only(anomalous.drop_duplicates("id")).named(hardest)


def _test_examples(samples: "Samples") -> Iterator[Example]:
    rows = zip(samples.table["defect_type"], samples.table["mask_paths"], strict=True)
    for (image_id, image), (defect_type, paths) in zip(samples.stream(), rows, strict=True):
        mask = samples.images.open_mask(list(paths)) if len(paths) else None
        yield Example(f"test image {image_id}, {defect_type}", image, mask)
