"""Good images of the bank, searched as if they were not in it."""

from collections.abc import Collection

import numpy as np

from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, fingerprint
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_other_images


def search_own_images(
    bank: MemoryBank,
    coreset: Coreset,
    image_ids: Collection[str],
    n_neighbors: int = 1,
    device: str = "cpu",
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of some images of the bank, each image's own rows left out.

    Args:
        bank: The memory bank.
        coreset: The rows to compare with.
        image_ids: Ids of the images; unknown ones are left out.
        n_neighbors: Number of rows to find for each patch.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        What was found. An image that leaves fewer rows of others than ``n_neighbors`` has too little to be compared
        with and is left out, so that a bank of one image gives a record of none.
    """
    owned = np.bincount(bank.image[coreset.rows], minlength=len(bank.image_ids))
    images = [
        index
        for index, image_id in enumerate(bank.image_ids)
        if image_id in image_ids and len(coreset.rows) - owned[index] >= n_neighbors
    ]
    if images:
        return search_other_images(bank, coreset, n_neighbors, images, device)
    grid = (0, int(bank.y.max()) + 1, int(bank.x.max()) + 1, n_neighbors)
    none = np.empty((0, bank.features.shape[1]), np.float32)
    return NearestPatches(
        squared_distances=np.empty(grid, np.float32),
        rows=np.empty(grid, np.int32),
        peak_features=none,
        mean_features=none,
        image_ids=[],
        coreset_fingerprint=fingerprint(coreset.features(bank)),
    )
