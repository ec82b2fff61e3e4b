"""Images composed of the good photos of a category, as another category to measure on."""

from collections.abc import Mapping
from typing import Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import validated
from reb_pipeline.defectmaker.logical_set import compose_logical_set
from reb_pipeline.defectmaker.settings import LogicalSetSettings
from reb_pipeline.images.collection import ImageCollection, UnavailableImages
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.images.samples import Samples
from reb_pipeline.studies.sections import StudySections


def composed_images(
    images: ImageCollection, parameters: Mapping[str, Any]
) -> ImageCollection | UnavailableImages:
    """Compose the set that the pipeline logical_set stores; unavailable if it cannot be composed.

    Args:
        images: Photos of the category.
        parameters: See :func:`reb_pipeline.parameters.per_category.expand_parameters`.
    """
    category = images.category
    sections = StudySections.of(parameters, category)
    settings = validated(LogicalSetSettings, parameters[category]["logical_set"], "logical_set")
    try:
        inventory = take_inventory(images, f"{category}: images inspected")
        table = usable_samples(inventory, sections.ingestion.max_unreadable_share)
        composed = compose_logical_set(Samples(table, images), sections.defect_synthesis, settings)
    except InputError as error:  # a failed category must not stop the others
        return UnavailableImages(category, str(error))
    return composed.collection(category)
