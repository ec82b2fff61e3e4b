"""Study: the shipped scores on other features: image sizes, coreset shares, seeds, fine-tuned or not."""

from typing import Any

import pandas as pd


def draw_features(table: pd.DataFrame) -> Any:
    """Draw the image AUROC of every kind of features on every category, the best on top."""
    from reb_pipeline.pipelines.studies.ranking import draw_ranking

    return draw_ranking(table, "Features, best first", first="representation")
