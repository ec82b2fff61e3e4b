"""Study: neck, score, image score and normalisation, from which the shipped default is chosen."""

from typing import Any

import pandas as pd


def draw_defaults(table: pd.DataFrame) -> Any:
    """Draw the image AUROC of every configuration on every category, the best configuration on top."""
    from reb_pipeline.figures.studies import ranking_figure
    from reb_pipeline.studies.rows import MEAN
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table)
    shown = shown[shown["category"] != MEAN]
    return ranking_figure(
        shown.assign(method=distinct_labels(shown, first="detector")),
        "category", "image_auroc", "method", "Scores, best first",
    )  # fmt: skip
