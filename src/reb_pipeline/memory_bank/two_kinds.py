"""Two kinds of part among the good images, which one threshold would serve badly."""

import numpy as np

from reb_pipeline.memory_bank.bank import MemoryBank

LEAST_IMAGES = 8  # fewer tell nothing about groups
LEAST_OF_A_GROUP = 2  # one odd image is no kind
MOST_IMAGES = 500  # compared with each other
# Silhouettes of ImageNet features of EfficientNet-Lite0, 25 images each: of eight categories alone at most 0.34, of
# pairs of them 0.57 to 0.93; only of the two sorts of ELPV 0.46.
LEAST_SILHOUETTE = 0.5


def two_kinds(bank: MemoryBank) -> list[tuple[int, str]]:
    """Find two groups of images that differ much: by k-means on mean features, and the silhouette (Rousseeuw, 1987).

    Args:
        bank: Patch features of the good images.

    Returns:
        Number of images of each group and the id of its most typical one, the larger group first; empty if there is one
        kind of image only, or at most :data:`MOST_IMAGES` evenly spaced ones show no second.

    Example:
        >>> from reb_pipeline.memory_bank.bank import collect_patches
        >>> rng = np.random.default_rng(0)
        >>> grids = [(f"{n:02}", rng.random((2, 2, 3), np.float32) + 9 * (n > 9)) for n in range(14)]
        >>> [count for count, _ in two_kinds(collect_patches(grids, n_images=14, extractor={}))]
        [10, 4]
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    chosen = np.linspace(0, len(bank.image_ids) - 1, min(len(bank.image_ids), MOST_IMAGES))
    images = np.unique(chosen.astype(int))
    channels = bank.features.shape[1]
    means = np.stack([bank.grids[image].reshape(-1, channels).mean(axis=0) for image in images])
    if len(images) < LEAST_IMAGES or len(np.unique(means, axis=0)) < LEAST_IMAGES:
        return []
    found = KMeans(2, n_init=10, random_state=0).fit(means)
    counts = np.bincount(found.labels_, minlength=2)
    silhouette = silhouette_score(means, found.labels_)
    if counts.min() < LEAST_OF_A_GROUP or silhouette < LEAST_SILHOUETTE:
        return []
    typical = found.transform(means).argmin(axis=0)
    groups = [
        (int(count), bank.image_ids[images[one]])
        for count, one in zip(counts, typical, strict=True)
    ]
    return sorted(groups, reverse=True)
