"""Rows of the table of samples as DefectMaker takes them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from reb_pipeline.defectmaker.good_images import GoodImages
    from reb_pipeline.defectmaker.records import SaliencyMaps
    from reb_pipeline.images.collection import ImageCollection


def train_and_held_out(
    samples: "pd.DataFrame", raw_images: "ImageCollection", saliency: "SaliencyMaps", side: int
) -> "tuple[GoodImages, GoodImages]":
    """Good images to fine-tune and to validate on, opened lazily, resized to ``side`` pixels as for the network."""
    from reb_pipeline.defectmaker.good_images import GoodImages
    from reb_pipeline.images.resize import resize_image
    from reb_pipeline.images.samples import good_finetuning, held_out_good

    def open_image(path: str) -> "np.ndarray":
        return resize_image(raw_images.open_image(path), side)

    def good_images(rows: "pd.DataFrame") -> GoodImages:
        return GoodImages(rows["id"].tolist(), rows["path"].tolist(), open_image, saliency)

    return good_images(good_finetuning(samples)), good_images(held_out_good(samples))
