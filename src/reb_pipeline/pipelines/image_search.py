"""Images of the samples compared with the memory bank."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.datasets import ImageCollection
    from reb_pipeline.features.adapted import BackboneWeights
    from reb_pipeline.neighbors.bank import Coreset, MemoryBank
    from reb_pipeline.neighbors.search import NearestPatches
    from reb_pipeline.parameters import FeatureParams


def search_samples(
    samples: "pd.DataFrame",
    raw_images: "ImageCollection",
    backbone: "BackboneWeights",
    memory_bank: "MemoryBank",
    coreset: "Coreset",
    params: "FeatureParams",
    n_neighbors: int,
    description: str,
) -> "NearestPatches":
    """Stream the images of ``samples`` through the backbone and find the nearest coreset rows of every patch.

    Raises:
        InputError: If the bank was made by another extractor, or there are no images.
    """
    from reb_pipeline.features.extractor import PatchExtractor, extract_patches
    from reb_pipeline.neighbors.search import search_images
    from reb_pipeline.progress import progress

    memory_bank.insist_on(params.provenance(backbone))
    rows = progress(
        zip(samples["id"], samples["path"], strict=True),
        f"{raw_images.category}: {description}",
        total=len(samples),
    )
    images = ((image_id, raw_images.open_image(path)) for image_id, path in rows)
    extractor = PatchExtractor(**params.extractor_settings(backbone))
    patches = extract_patches(extractor, images, params.batch_size)
    in_space = ((image_id, memory_bank.space.apply(grid)) for image_id, grid in patches)
    return search_images(in_space, coreset.features(memory_bank), n_neighbors)
