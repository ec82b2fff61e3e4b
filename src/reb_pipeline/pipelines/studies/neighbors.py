"""Study: image AUROC over K (paper figure 5)."""

from typing import Any

import pandas as pd


def draw_neighbors(table: pd.DataFrame) -> Any:
    """Draw lines over K, one panel per category."""
    from reb_pipeline.figures.studies import sweep_figure
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table)
    return sweep_figure(
        shown.assign(method=distinct_labels(shown, first="detector", but=["n_neighbors"])),
        "n_neighbors", "image_auroc", "method", "Number of neighbours", "K", "image AUROC",
        panels="category", log_x=True,
    )  # fmt: skip
