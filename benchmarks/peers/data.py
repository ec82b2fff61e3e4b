"""Inputs of both sides: real images, one network, one memory bank; made once, kept in the work folder."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.peers.case import Settings
from reb_pipeline.datasets import ELPVDataset
from reb_pipeline.memory_bank.allocation import empty_features
from reb_pipeline.memory_bank.bank import ROWS_PER_BLOCK, MemoryBank
from reb_pipeline.search.k_center import greedy_k_center

CORESET_RATIO = 0.1
BATCH = 16
MOST_GIB = 1  # synthetic features of more than half of it lie in a file


def cells(n: int) -> Iterator[np.ndarray]:
    """Good solar cells of ELPV, uint8 [300, 300, 3]; turned, mirrored and then moved ones where there are too few."""
    collection = ELPVDataset(category="mono").load()
    paths = [sample.path for sample in collection.samples if sample.label == 0]
    for index in range(n):
        turn, position = divmod(index, len(paths))
        image = collection.open_image(paths[position])
        image = np.roll(np.rot90(image, turn % 4), 5 * (turn // 8), axis=(0, 1))
        yield np.ascontiguousarray(image[:, ::-1] if turn // 4 % 2 else image)


def backbone(settings: Settings) -> tuple[str, str]:
    """Name and weights of the network."""
    return (
        ("resnet18", settings.weights) if settings.weights else ("efficientnet_lite0", "imagenet")
    )


def extractor(settings: Settings, **options: Any) -> Any:
    """Our extractor; its neck averages 3 x 3 neighbourhoods and concatenates the layers, as anomalib's."""
    from reb_pipeline.features.extractor import PatchExtractor  # torch takes seconds to import
    from reb_pipeline.features.settings import FeatureSettings

    name, weights = backbone(settings)
    features = FeatureSettings(
        backbone=name, weights=weights, **{"image_size": settings.image_size, **options}
    )
    return PatchExtractor(features, device=settings.device)


def patches(settings: Settings, n_images: int) -> np.ndarray:
    """Features of the patches of the first images, float32 [images * h * w, channels]."""

    def extract() -> np.ndarray:
        from reb_pipeline.features.extractor import extract_patches

        extract_from = extractor(settings)
        images = ((str(index), image) for index, image in enumerate(cells(n_images)))
        grids = [grid for _, grid in extract_patches(extract_from, images, BATCH)]
        return np.concatenate([grid.reshape(-1, grid.shape[-1]) for grid in grids])

    return _once(settings, f"patches_{n_images}", extract)


def bank(settings: Settings) -> np.ndarray:
    """A coreset of 10 % of the patches of 200 images."""

    def select() -> np.ndarray:
        features = patches(settings, settings.of(200, 4))
        n_select = int(len(features) * CORESET_RATIO)
        rows = greedy_k_center(features, n_select, seed=0, device=settings.device)
        return features[rows]

    return _once(settings, "bank", select)


def unseen(settings: Settings) -> np.ndarray:
    """An image that is not in the bank."""
    return list(cells(settings.of(201, 5)))[-1]


def manifold(n: int, channels: int) -> np.ndarray:
    """Features of 60 clusters on a 16-dimensional manifold, with noise, rectified; float32 [n, channels].

    They are made block by block; many lie in a temporary file.
    """
    rng = np.random.default_rng(0)
    centres, basis = rng.normal(size=(60, 16)), rng.normal(size=(16, channels))
    features = empty_features(n, channels, MOST_GIB)
    for start in range(0, n, ROWS_PER_BLOCK):
        block = features[start : start + ROWS_PER_BLOCK]
        latent = centres[rng.integers(60, size=len(block))] + 0.3 * rng.normal(
            size=(len(block), 16)
        )
        block[:] = np.maximum(latent @ basis + 0.3 * rng.normal(size=block.shape), 0)
    return features


def maps_and_masks(n: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth random anomaly maps in [0, 1], float32 [n, side, side], and masks of blobs; half of them have none."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, n, side, side)), (0, 0, 6, 6))
    masks = smooth[0] > 2.5 * smooth[0].std()
    masks[::2] = False
    lifted = smooth[1] / smooth[1].std() + 1.5 * ndimage.gaussian_filter(
        masks.astype(float), (0, 2, 2)
    )
    return (1 / (1 + np.exp(-lifted))).astype(np.float32), masks


def as_bank(rows: np.ndarray) -> MemoryBank:
    """A memory bank of these features, as if they were one image; not copied."""
    n = len(rows)
    none = np.empty(0, np.float32)
    return MemoryBank(
        features=rows,
        image=np.zeros(n, np.int32),
        y=np.zeros(n, np.int16),
        x=np.arange(n).astype(np.int16),
        image_ids=["rows"],
        extractor={},
        distance="euclidean",
        mean=none,
        whitening=none,
    )


def _once(settings: Settings, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Load an array that an earlier case stored, or make and store it."""
    file = settings.work / f"{name}.npy"
    if not file.is_file():
        np.save(file, make())
    return np.load(file)
