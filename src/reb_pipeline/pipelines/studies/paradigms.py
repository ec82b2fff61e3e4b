"""Study: memory of good images against their reconstruction, with the costs of both."""

from typing import Any

import pandas as pd

_RECONSTRUCT = {"feature_reconstruction": "reconstruct features", "hybrid": "both"}


def draw_paradigms(table: pd.DataFrame) -> Any:
    """Draw image AUROC against speed, one colour and symbol per paradigm; means if there are several categories."""
    from reb_pipeline.figures.trade_off import trade_off_figure
    from reb_pipeline.studies.rows import COSTS, MEAN
    from reb_pipeline.studies.views import distinct_labels, over_seeds

    shown = over_seeds(table.dropna(subset="images_per_second"))
    if (shown["category"] == MEAN).any():
        shown = shown[shown["category"] == MEAN]
    return trade_off_figure(
        shown.assign(
            method=distinct_labels(shown, first="detector"),
            paradigm=shown["detector"].map(paradigm_of),
        ),
        "images_per_second", "image_auroc", "method", "paradigm",
        f"Two paradigms: {', '.join(shown['category'].unique())}",
        ["pixel_auroc", "au_pro", *COSTS],
    )  # fmt: skip


def paradigm_of(detector: str) -> str:
    """Get the name of the paradigm of a detector."""
    from reb_pipeline.parameters.configurations import PIXEL_DETECTORS

    if detector in PIXEL_DETECTORS:
        return "reconstruct pixels"
    return _RECONSTRUCT.get(detector, "remember patches")
