"""Study: detectors with and without a global branch on composed images with logical defects."""

from typing import Any

import pandas as pd


def draw_logical(table: pd.DataFrame) -> Any:
    """Draw the image AUROC of every configuration on every category, the best configuration on top."""
    from reb_pipeline.pipelines.studies.ranking import draw_ranking

    return draw_ranking(table, "Scores, best first", first="detector")
