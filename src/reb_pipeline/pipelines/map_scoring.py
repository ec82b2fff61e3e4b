"""From scores of patches that know no neighbours to scores of images and anomaly maps."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from reb_pipeline.parameters.sections import FeatureParams, ScoringParams
    from reb_pipeline.scoring.anomaly_maps import AnomalyMaps


def score_maps(
    samples: "pd.DataFrame",
    image_ids: list[str],
    patch_scores: "np.ndarray",
    features: "FeatureParams",
    scoring: "ScoringParams",
) -> "tuple[pd.DataFrame, AnomalyMaps]":
    """Score images by their patches.

    Args:
        samples: The samples, the images among them.
        image_ids: Ids of the images.
        patch_scores: float32 [images, h, w].
        features: Gives the side of a map.
        scoring: How images are scored and maps smoothed.

    Returns:
        One row an image, with the columns of the dataset ``scores``; the maps.

    Raises:
        InputError: If the image score compares neighbours.
    """
    from reb_pipeline.pipelines.evaluation.nodes import SCORE_COLUMNS
    from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

    table = samples.set_index("id").loc[image_ids].reset_index()[[*SCORE_COLUMNS]]
    maps = AnomalyMaps(patch_scores, image_ids, features.image_size, scoring.smoothing_sigma)
    return table.assign(image_score=image_scores(patch_scores, scoring)), maps


def image_scores(patch_scores: "np.ndarray", scoring: "ScoringParams") -> "np.ndarray":
    """float32 [images] of patch scores, float32 [images, h, w].

    Raises:
        InputError: If the image score compares neighbours.
    """
    from reb_pipeline.scoring.image_scores import IMAGE_SCORES

    if scoring.image_score not in IMAGE_SCORES:
        msg = (
            f"scoring.image_score = {scoring.image_score} compares neighbours, which a reconstruction has none of: set "
            f"it to one of {', '.join(IMAGE_SCORES)}."
        )
        raise InputError(msg)
    return IMAGE_SCORES[scoring.image_score](patch_scores, scoring.image_score_settings())
