"""Images of the samples as patch features, and compared with the memory bank."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from reb_pipeline.features.adapted import BackboneWeights
    from reb_pipeline.images.collection import ImageCollection
    from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
    from reb_pipeline.memory_bank.nearest_patches import NearestPatches
    from reb_pipeline.parameters.sections import ComputeParams, FeatureParams


def stream_patches(
    samples: "pd.DataFrame",
    raw_images: "ImageCollection",
    backbone: "BackboneWeights",
    params: "FeatureParams",
    compute: "ComputeParams",
    description: str,
) -> "Iterator[tuple[str, np.ndarray]]":
    """Stream the images of ``samples`` through the backbone behind a progress bar: (id, float32 [h, w, channels])."""
    from reb_pipeline.core.progress import progress
    from reb_pipeline.features.extractor import PatchExtractor, extract_patches

    rows = progress(
        zip(samples["id"], samples["path"], strict=True),
        f"{raw_images.category}: {description}",
        total=len(samples),
    )
    images = ((image_id, raw_images.open_image(path)) for image_id, path in rows)
    extractor = PatchExtractor(**params.extractor_settings(backbone), device=compute.device)
    return extract_patches(extractor, images, params.batch_size)


def search_samples(
    samples: "pd.DataFrame",
    raw_images: "ImageCollection",
    backbone: "BackboneWeights",
    memory_bank: "MemoryBank",
    coreset: "Coreset",
    params: "FeatureParams",
    compute: "ComputeParams",
    n_neighbors: int,
    description: str,
) -> "NearestPatches":
    """Find the nearest coreset rows of every patch of the images of ``samples``.

    Raises:
        InputError: If the bank was made by another extractor, or there are no images.
    """
    from reb_pipeline.memory_bank.nearest_patches import search_images

    memory_bank.insist_on(params.provenance(backbone))
    patches = stream_patches(samples, raw_images, backbone, params, compute, description)
    in_space = ((image_id, memory_bank.space.apply(grid)) for image_id, grid in patches)
    return search_images(in_space, coreset.features(memory_bank), n_neighbors, compute.processor())
