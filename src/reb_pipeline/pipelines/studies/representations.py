"""Study: ImageNet features and those fine-tuned on several kinds of synthetic defects (paper table 5)."""

from typing import Any

import pandas as pd


def draw_representations(table: pd.DataFrame) -> Any:
    """Draw dots of the representations by category and detector."""
    from reb_pipeline.figures.studies import dots_figure
    from reb_pipeline.studies.views import grouped, over_seeds

    shown = over_seeds(table)
    shown = shown.assign(group=shown["category"] + ", " + shown["detector"])
    return dots_figure(
        grouped(shown, "group", "representation"),
        "image_auroc", "row", "representation", "Representations",
        low="image_auroc_low", high="image_auroc_high", reference="published_image_auroc",
    )  # fmt: skip
