"""Figure of the studies that choose the best of many configurations over all categories."""

from typing import Any

import pandas as pd


def draw_ranking(table: pd.DataFrame, title: str, first: str) -> Any:
    """Draw the image AUROC of every configuration on every category, the best configuration on top.

    Args:
        table: Table of a study.
        title: Title of the figure.
        first: Setting that the names of configurations begin with.
    """
    from reb_pipeline.figures.studies import ranking_figure
    from reb_pipeline.studies.rows import MEAN
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table)
    shown = shown[shown["category"] != MEAN]
    labelled = shown.assign(method=distinct_labels(shown, first=first))
    return ranking_figure(labelled, "category", "image_auroc", "method", title)
