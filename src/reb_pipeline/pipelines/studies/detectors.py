"""Study: the patch scorers of the paper's table 6, other detectors, distances and image scores."""

from typing import Any

import pandas as pd


def draw_detectors(table: pd.DataFrame) -> Any:
    """Draw dots of all configurations, the best on top, one colour per category."""
    from reb_pipeline.figures.studies import dots_figure
    from reb_pipeline.studies.views import distinct_labels, over_seeds, sorted_by_mean

    shown = over_seeds(table)
    shown = shown.assign(method=distinct_labels(shown, first="detector"))
    return dots_figure(
        sorted_by_mean(shown, "method", "image_auroc"),
        "image_auroc", "method", "category", "Detectors, best first",
        low="image_auroc_low", high="image_auroc_high",
    )  # fmt: skip
