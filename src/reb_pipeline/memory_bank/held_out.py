"""Search with the bank's own good images, as if they were not in the bank."""

from collections.abc import Collection, Sequence

import numpy as np

from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, fingerprint
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_other_images

ENOUGH = 50  # images to fit scores on; more would change them little


def evenly_chosen(image_ids: Sequence[str]) -> list[str]:
    """Choose at most 50 images, evenly over the order of their ids; as many as a fit of the scores needs."""
    n = min(ENOUGH, len(image_ids))
    return [image_ids[index] for index in np.linspace(0, len(image_ids) - 1, n).round().astype(int)]


def search_own_images(
    bank: MemoryBank,
    coreset: Coreset,
    image_ids: Collection[str],
    n_neighbors: int = 1,
    device: str = "cpu",
) -> NearestPatches:
    """Find the nearest coreset rows for patches of the bank's own images, without each image's own rows.

    Args:
        bank: The memory bank.
        coreset: The rows to compare with.
        image_ids: Ids of the images; unknown ids are ignored.
        n_neighbors: Number of rows to find for each patch.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        The nearest rows. An image is left out if fewer than ``n_neighbors`` coreset rows come from other images. So a
        bank of one image gives a record without images.
    """
    owned = np.bincount(bank.image[coreset.rows], minlength=len(bank.image_ids))
    images = [
        index
        for index, image_id in enumerate(bank.image_ids)
        if image_id in image_ids and len(coreset.rows) - owned[index] >= n_neighbors
    ]
    if images:
        return search_other_images(bank, coreset, n_neighbors, images, device)
    grid = (0, *bank.grids.shape[1:3], n_neighbors)
    none = np.empty((0, bank.features.shape[1]), np.float32)
    return NearestPatches(
        squared_distances=np.empty(grid, np.float32),
        rows=np.empty(grid, np.int32),
        peak_features=none,
        mean_features=none,
        image_ids=[],
        coreset_fingerprint=fingerprint(coreset.features(bank)),
        bank_fingerprint=coreset.bank_fingerprint,
    )
