"""Nodes of the ingestion pipeline."""

import logging
from typing import Any

import pandas as pd

from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import IngestionParams

logger = logging.getLogger(__name__)


def inspect_images(raw_images: ImageCollection) -> pd.DataFrame:
    """Open every image and mask once, see :func:`reb_pipeline.images.inventory.take_inventory`."""
    from reb_pipeline.images.inventory import take_inventory

    return take_inventory(raw_images, f"{raw_images.category}: images inspected")


def audit_samples(inventory: pd.DataFrame, raw_images: ImageCollection) -> dict[str, Any]:
    """Report errors and oddities of the data, see :func:`reb_pipeline.images.inventory.audit`."""
    from reb_pipeline.images.inventory import audit, findings

    report = audit(inventory, raw_images.stray_masks, raw_images.value_range, raw_images.not_read)
    for finding in findings(report):
        logger.warning("%s: %s", raw_images.category, finding)
    return report


def index_samples(
    inventory: pd.DataFrame,
    audit: dict[str, Any],  # an input, so that it is saved before samples are refused
    raw_images: ImageCollection,
    params: IngestionParams,
) -> pd.DataFrame:
    """List the usable samples, see :func:`reb_pipeline.images.inventory.usable_samples`, with their poses."""
    from reb_pipeline.images.inventory import usable_samples
    from reb_pipeline.images.posed import aligned
    from reb_pipeline.images.samples import Samples

    usable = usable_samples(inventory, params.max_unreadable_share, params.leave_out)
    return aligned(Samples(usable, raw_images), params.pose, params.golden)
