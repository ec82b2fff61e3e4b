"""Study: image AUROC and images per second over the coreset share (paper figure 4)."""

from typing import Any

import pandas as pd


def draw_coreset(table: pd.DataFrame) -> Any:
    """Draw speed against image AUROC, one line per category and detector."""
    from reb_pipeline.figures.studies import frontier_figure
    from reb_pipeline.studies.rows import MEAN
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table.dropna(subset="images_per_second"))
    shown = shown[shown["category"] != MEAN]
    labels = distinct_labels(shown, first="detector", but=["coreset_ratio"])
    method = [
        f"{category}: {label}" for category, label in zip(shown["category"], labels, strict=True)
    ]
    return frontier_figure(
        shown.assign(method=method),
        "images_per_second", "image_auroc", "coreset_ratio", "method",
        "Coreset share against speed", "images per second", "image AUROC",
    )  # fmt: skip
