"""Nodes of the logical set pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.defectmaker.logical_set import LogicalSet
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings, LogicalSetSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import Samples


def compose_images(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    synthesis: DefectSynthesisSettings,
    params: LogicalSetSettings,
) -> LogicalSet:
    """Compose good images, and test images with logical and structural defects, of good photos."""
    from reb_pipeline.defectmaker.logical_set import compose_logical_set

    return compose_logical_set(Samples(samples, raw_images), synthesis, params)


def draw_composed(logical_set: LogicalSet, category: str) -> Any:
    """Draw the first composed images of each kind with their changed places."""
    from reb_pipeline.figures.composed import composed_figure

    return composed_figure(logical_set.shown(), f"{category}: composed images")
