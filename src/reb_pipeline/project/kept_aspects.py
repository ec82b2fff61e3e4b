"""Sizes of images that keep the aspect of photos: found before a run, so that all its steps see height and width."""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, RAW_IMAGES

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)


def keep_aspects(
    pipeline: "Pipeline", catalog: "CatalogProtocol", missing: Collection[str]
) -> None:
    """Replace ``features.keep_aspect`` by height and width, for each category of a pipeline.

    Args:
        pipeline: The pipeline.
        catalog: The catalog, whose parameters are replaced.
        missing: Names of raw images that are not there, of categories that are left out.

    Raises:
        InputError: See :func:`reb_pipeline.features.own_aspect.in_own_aspect`.
    """
    from reb_pipeline.features.own_aspect import in_own_aspect
    from reb_pipeline.features.settings import FeatureSettings

    for category in sorted({(node.namespace or "").split(".")[0] for node in pipeline.nodes}):
        parameters, raw_images = f"params:{category}.features", f"{category}{RAW_IMAGES}"
        if parameters not in catalog or raw_images in missing:
            continue
        # Parameters that no node of this run reads come as dictionaries.
        features = FeatureSettings.model_validate(catalog[parameters].load())
        if features.keep_aspect is None:
            continue
        found = in_own_aspect(features, catalog[raw_images].load())
        logger.info(
            "%s: image_size = %s, %d pixels along the %s side of its good photos.",
            category,
            found.image_size,
            features.image_size,
            features.keep_aspect,
        )
        catalog[parameters].save(found)  # a dataset in its place would be a warning of Kedro
        everything: Any = catalog[ALL_PARAMETERS].load()
        own = {**everything[category], "features": found}
        catalog[ALL_PARAMETERS].save({**everything, category: own})
