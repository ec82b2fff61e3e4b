"""Study: detectors with and without a global branch on composed images with logical defects."""

from typing import Any

import pandas as pd


def draw_logical(table: pd.DataFrame) -> Any:
    """Draw the image AUROC of every configuration on every category, the best configuration on top."""
    from reb_pipeline.pipelines.studies.defaults import draw_defaults

    return draw_defaults(table)
