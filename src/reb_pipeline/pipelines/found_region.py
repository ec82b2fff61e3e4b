"""Region of interest of a category that its good images decide."""

from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.samples import Samples


def with_found_region(features: FeatureSettings, samples: Samples) -> FeatureSettings:
    """Find the region of interest in the good training images, where ``features.region`` asks for it.

    Nodes that have a memory bank take the region from it instead, see
    :meth:`reb_pipeline.features.settings.FeatureSettings.as_learnt`: an update of the bank keeps the region.
    """
    from reb_pipeline.images.region import FOUND

    if features.region != FOUND:
        return features
    from reb_pipeline.defectmaker.found_region import find_region

    return features.with_region(find_region(samples))
