"""Study: image AUROC over the number of good images (paper table 7)."""

from typing import Any

import pandas as pd


def draw_few_shot(table: pd.DataFrame) -> Any:
    """Draw lines over the number of good images, with the range over random draws."""
    from reb_pipeline.figures.studies import sweep_figure
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table.dropna(subset="shots"))
    return sweep_figure(
        shown.assign(method=distinct_labels(shown, first="detector", but=["shots"])),
        "shots", "image_auroc", "method", "Few-shot", "good images to learn from", "image AUROC",
        panels="category", log_x=True, band=("image_auroc_low", "image_auroc_high"),
    )  # fmt: skip
