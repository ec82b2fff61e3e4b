"""Study: the shipped scores on other features: image sizes, coreset shares, seeds, fine-tuned or not."""

from typing import Any

import pandas as pd


def draw_features(table: pd.DataFrame) -> Any:
    """Draw the image AUROC of every kind of features on every category, the best on top."""
    from reb_pipeline.figures.studies import ranking_figure
    from reb_pipeline.studies.rows import MEAN
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table)
    shown = shown[shown["category"] != MEAN]
    return ranking_figure(
        shown.assign(method=distinct_labels(shown, first="representation")),
        "category", "image_auroc", "method", "Features, best first",
    )  # fmt: skip
