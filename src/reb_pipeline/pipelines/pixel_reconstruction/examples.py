"""The images that show what a network reconstructs that it should not."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import held_out_good
from reb_pipeline.reconstruction.reconstructed_defects import Example

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.defectmaker.records import SyntheticDefects
    from reb_pipeline.images.collection import ImageCollection

N_KINDS = 3  # of synthetic defects that are shown
N_HARDEST = 2  # test images that are shown


def synthetic_examples(
    samples: "pd.DataFrame",
    raw_images: "ImageCollection",
    defects: "SyntheticDefects",
    rows: Iterable[int] | None = None,
) -> Iterator[Example]:
    """Synthetic defects beside the good images that they were made from.

    Args:
        samples: The samples, these good images among them.
        raw_images: What opens them.
        defects: The defects.
        rows: Which of them; all if None.

    Raises:
        InputError: If a good image is no sample any more.
    """
    paths = dict(zip(samples["id"], samples["path"], strict=True))
    for row in range(len(defects.labels)) if rows is None else rows:
        image_id = defects.image_ids[row]
        if image_id not in paths:
            msg = (
                f"The synthetic defects were made from {image_id!r}, which is no sample: run the pipeline "
                f"defect_synthesis again."
            )
            raise InputError(msg)
        image = defects.images[row]
        yield Example(
            f"synthetic defect, {defects.kinds[defects.labels[row] - 1]}",
            image,
            defects.masks[row],
            resize_image(raw_images.open_image(paths[image_id]), len(image)),
        )


def choose_examples(
    samples: "pd.DataFrame",
    raw_images: "ImageCollection",
    defects: "SyntheticDefects",
    scores: "pd.DataFrame",
) -> list[Example]:
    """A held-out good image, of three kinds the largest synthetic defect, the test defects that models score lowest.

    Args:
        samples: The samples.
        raw_images: What opens them.
        defects: Synthetic defects; the kinds are spread evenly over their list.
        scores: One row a model and test image: ``id``, ``path``, ``label``, ``defect_type``, ``mask_paths``, ``model``,
            ``image_score``; images are compared by their mean rank among all.
    """
    good: Any = held_out_good(samples).iloc[0]
    return [
        Example(f"held-out good image {good['id']}", raw_images.open_image(good["path"])),
        *synthetic_examples(samples, raw_images, defects, _largest_of_kinds(defects)),
        *(_test_example(row, raw_images) for _, row in _hardest(scores).iterrows()),
    ]


def _largest_of_kinds(defects: "SyntheticDefects") -> list[int]:
    """One row a kind: its defect of the largest mask."""
    areas = defects.masks.sum(axis=(1, 2))
    labels = np.unique(defects.labels)
    spread = np.unique(np.linspace(0, len(labels) - 1, N_KINDS).round().astype(int))
    return [int(np.where(defects.labels == label, areas, -1).argmax()) for label in labels[spread]]


def _hardest(scores: "pd.DataFrame") -> "pd.DataFrame":
    """The anomalous images of the lowest mean rank, ties by id."""
    ranks = scores.assign(rank=scores.groupby("model")["image_score"].rank())
    anomalous = ranks[ranks["label"] == 1]
    mean_rank = anomalous.groupby("id")["rank"].mean().sort_values(kind="stable")
    by_id = anomalous.drop_duplicates("id").set_index("id", drop=False)
    return by_id.loc[mean_rank.index[:N_HARDEST]]


def _test_example(row: Any, raw_images: "ImageCollection") -> Example:
    mask = raw_images.open_mask(list(row["mask_paths"])) if len(row["mask_paths"]) else None
    title = f"test image {row['id']}, {row['defect_type']}"
    return Example(title, raw_images.open_image(row["path"]), mask)
