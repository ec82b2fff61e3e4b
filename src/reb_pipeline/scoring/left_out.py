"""Leave-one-image-out scores: images of a bank, each scored by a detector that was fitted without it.

A new image is scored with a bank, coreset and local density that it had no part in. A training image that is merely
compared with the coreset rows of the other images is not: the coreset was selected to cover it too, so what its own
rows covered is covered by no row, and it scores higher than a new image. A threshold of such scores flags too few good
parts. Here bank, coreset and local density are made again without the image.

R. Barber, E. Candès, A. Ramdas and R. Tibshirani, Predictive inference with the jackknife+, Annals of Statistics 49(1),
2021: these are the scores of the jackknife, by groups those of cross-validation. Compared with scores by the detector
of all images, as here, they have no guarantee without assumptions about the detector.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reb_pipeline.core.progress import progress
from reb_pipeline.images.copies import Copy
from reb_pipeline.memory_bank.bank import MEMORY_GIB, MemoryBank
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector

GROUPS = 30  # up to thirty images are left out one by one, more of them in thirty groups


@dataclass(frozen=True)
class BankImages:
    """Images of a memory bank as a source of patches.

    Attributes:
        bank: The memory bank, image by image.
        indices: Indices of the images in ``bank.image_ids``, int64.
        copy: Number of the copies to take; 0 for the images as they are.
    """

    bank: MemoryBank
    indices: np.ndarray
    copy: int = 0

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images."""
        return [self.bank.image_ids[index] for index in self.indices]

    @property
    def provenance(self) -> dict[str, Any]:
        """Settings that made the features."""
        return self.bank.extractor

    def patches(self) -> Iterator[tuple[str, np.ndarray]]:
        """Stream (image id, float32 [h, w, channels]), in the space of the bank."""
        for index in self.indices:
            yield self.bank.image_ids[index], self.bank.whole_grid(index, self.copy)

    def copied(self, copy: Copy) -> "BankImages":
        """Take the patches of a copy, which the bank has."""
        return replace(self, copy=1 + self.bank.copies.index(copy))


def score_left_out(
    bank: MemoryBank,
    detector: MemoryBankDetector,
    n_images: int,
    *,
    memory_gib: float = MEMORY_GIB,
    device: str = "cpu",
    description: str | None = None,
    parts: Mapping[str, str] | None = None,
) -> Iterator[tuple[NearestPatches, Detection]]:
    """Score images of a bank, each group by a detector fitted to the images of all other groups.

    The bank's copies are left out with their image, which is scored as it is.

    Args:
        bank: The whole memory bank.
        detector: The detector of the whole bank, whose share of rows, scoring settings and alpha are used.
        n_images: Number of images, or of parts, that is enough; no further group is left out then.
        memory_gib: See :class:`reb_pipeline.scoring.detector.MemoryBankDetector`.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.
        description: Label of the progress bar; None shows no bar.
        parts: See :func:`leave_out`.

    Yields:
        Neighbours and scores of the images of one group. Nothing for a bank of one image.
    """
    share = len(detector.features) / len(bank.features)
    settings = MemoryBankSettings(
        distance=bank.distance,
        coreset_ratio=share,
        light_copies=bank.light_copies,
        turned_copies=bank.turned_copies,
    )
    changes: dict[str, Any] = {
        "alpha": detector.alpha,
        "max_neighbors": detector.scoring.n_neighbors,
    }
    if detector.good_scores is None:
        changes["normalization"] = "none"
    if detector.global_branch is None:
        changes["global_branch"] = "none"
    scoring = detector.scoring.model_copy(update=changes)
    for others, left_out in leave_out(bank, n_images, description, parts):
        # If the whole bank has enough images to measure scores by position on, so have all but one group.
        fitted = MemoryBankDetector.fit(
            others, settings, scoring, device=device, memory_gib=memory_gib, least_images=1
        )
        found = fitted.search(left_out.patches(), device)
        yield found, fitted.score(found)


def leave_out(
    bank: MemoryBank,
    n_images: int,
    description: str | None = None,
    parts: Mapping[str, str] | None = None,
) -> Iterator[tuple[BankImages, BankImages]]:
    """Leave groups of images out in turn.

    Copies of one file are left out together and scored once: beside its copy in the bank an image scores far too low.
    All views of a part are left out together and scored, for the same reason.

    Args:
        bank: A whole memory bank.
        n_images: Number of images, or of parts, that is enough; no further group is left out then.
        description: Label of the progress bar; None shows no bar.
        parts: Part of each image, by its id; None where each image is a part.

    Yields:
        Images to fit on, and images to score. Nothing for a bank of one image or one part.
    """
    unit_of, is_scored = _units(bank, parts)
    order = np.random.default_rng(0).permutation(int(unit_of.max()) + 1)
    groups = np.array_split(order, min(GROUPS, len(order))) if len(order) > 1 else []
    scored = np.cumsum([0, *map(len, groups)])[:-1]
    chosen = groups[: int((scored < n_images).sum())]
    in_turn = [(group, unit) for group in chosen for unit in group]
    for left_out, unit in progress(in_turn, description):
        if unit == left_out[0]:  # the bar counts images, and all of a group are done with its first
            is_out = np.isin(unit_of, left_out)
            yield (
                BankImages(bank, np.flatnonzero(~is_out)),
                BankImages(bank, np.flatnonzero(is_out & is_scored)),
            )


def _units(bank: MemoryBank, parts: Mapping[str, str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Number what is left out together, int64 [images], and mark the images to score, bool [images]."""
    files = bank.image_hashes or bank.image_ids
    _, first, file_of = np.unique(files, return_index=True, return_inverse=True)
    is_scored = np.zeros(len(files), bool)
    if parts is None:
        is_scored[first] = True
        return file_of, is_scored
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, part_of = np.unique([parts[one] for one in bank.image_ids], return_inverse=True)
    # Parts that have a file in common are one unit, of which one part is scored.
    n = len(names)
    shared = coo_array((np.ones(len(files)), (part_of, n + file_of)), shape=(n + len(first),) * 2)
    unit_of_part = connected_components(shared, directed=False)[1][:n]
    _, first_part = np.unique(unit_of_part, return_index=True)
    return unit_of_part[part_of], np.isin(part_of, first_part)
