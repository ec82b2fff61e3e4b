"""Figure of the study."""

from typing import Any

import pandas as pd


def draw_detectors(table: pd.DataFrame) -> Any:
    """Bars of everything compared, by category."""
    from reb_pipeline.figures.studies import bars_figure
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table)
    return bars_figure(
        shown.assign(method=distinct_labels(shown, first="detector")),
        "method", "image_auroc", "category", "Detectors",
        low="image_auroc_low", high="image_auroc_high", reference="published_image_auroc",
    )  # fmt: skip
