"""Suspects: good images of a memory bank that look unlike all others, such as a defective one among them."""

from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.images.leave_out import IMAGE, LEAVE_OUT, NO, YES
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.search.index import NeighborIndex

if TYPE_CHECKING:
    import pandas as pd

SUSPECT = "suspect"  # column
TOP_SHARE = 0.01  # share of an image's patches that decides its score
LEVEL = 0.05  # probability that any image of a good set is a suspect, if log scores are normal
FEWEST = 10  # images; the spread of fewer says too little
MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


def rank_suspects(bank: MemoryBank, coreset: Coreset, device: str = "cpu") -> "pd.DataFrame":
    """Rank the images of a bank by how far their oddest patches are from all other images.

    Only coreset rows are compared, with those of other images: greedy k-centre selects a patch that is far from all
    others early, so the rows that it left out of an odd image are near a selected row of that image. This is as many
    times quicker than a search of all patches as the coreset is smaller than the bank. The score is the mean squared
    distance of the oddest hundredth of an image's patches; patches that the coreset lacks count 0. Copies in other
    light are compared with, and not ranked.

    The p-value is the upper tail of a normal distribution, fitted to the logarithms of all scores by their median and
    median absolute deviation, which a minority of defective images hardly moves (Rousseeuw and Croux, 1993). An image
    is a suspect if its p-value is at most :data:`LEVEL` over the number of images (Bonferroni).

    Args:
        bank: The memory bank, image by image.
        coreset: The rows to compare.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        One row an image, the oddest first: ``image``, its id; ``score``, float; ``p_value``, float; ``suspect``, "yes"
        or "no"; ``leave_out``, "no" until a person has looked. No image is a suspect where there are fewer than
        :data:`FEWEST`.
    """
    import pandas as pd

    n_images = len(bank.image_ids)
    scores = _scores(bank, coreset, device)
    p_values = _p_values(scores) if n_images >= FEWEST else np.ones(n_images)
    is_suspect = p_values <= LEVEL / n_images
    table = pd.DataFrame(
        {
            IMAGE: bank.image_ids,
            "score": scores,
            "p_value": p_values,
            SUSPECT: np.where(is_suspect, YES[0], NO[0]),
            LEAVE_OUT: NO[0],
        }
    )
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def _scores(bank: MemoryBank, coreset: Coreset, device: str) -> np.ndarray:
    """Average the largest squared distances of each image's coreset rows to those of the others, float64 [images]."""
    rows = np.sort(coreset.rows)
    is_copy = bank.copy_of(rows) > 0
    features, owners = bank.features[rows], bank.image[rows]
    index = NeighborIndex(features, len(rows), device)
    n_patches = len(bank.features) / (len(bank.image_ids) * (1 + len(bank.copies)))
    n_top = max(1, round(TOP_SHARE * n_patches))
    scores = np.zeros(len(bank.image_ids))
    for image in range(len(scores)):
        own = slice(*np.searchsorted(owners, [image, image + 1]))
        if 0 < own.stop - own.start < len(rows):
            squared, _ = index.search(features[own][~is_copy[own]], 1, without=own)
            scores[image] = np.sort(squared[:, 0])[-n_top:].sum() / n_top
    return scores


def _p_values(scores: np.ndarray) -> np.ndarray:
    """Compute the upper tail of the log scores, float64 [images]; 1 for all where they do not differ."""
    from scipy.stats import norm

    logs = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    deviations = logs - np.median(logs)
    spread = MAD * np.median(np.abs(deviations))
    return norm.sf(deviations / spread) if spread else np.ones(len(scores))


def statement(ranked: "pd.DataFrame") -> str:
    """Say how many images are suspects.

    Args:
        ranked: Result of :func:`rank_suspects`.
    """
    n_suspects = int((ranked[SUSPECT] == YES[0]).sum())
    return f"Suspects among {len(ranked)} good images: {n_suspects}"
