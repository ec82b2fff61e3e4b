"""Study: the four arms of REB, each with and without fine-tuning and LDKNN (paper tables 2 to 4, figure 6)."""

from typing import Any

import pandas as pd


def draw_arms(table: pd.DataFrame) -> Any:
    """Draw dots of the arms by category, with the paper's numbers in the same rows."""
    from reb_pipeline.figures.studies import dots_figure
    from reb_pipeline.studies.views import grouped, over_seeds

    arms = {
        ("imagenet", "nearest"): "ImageNet + KNN",
        ("defectmaker", "nearest"): "DefectMaker + KNN",
        ("imagenet", "ldknn"): "LDKNN",
        ("defectmaker", "ldknn"): "REB",
    }
    shown = over_seeds(table)
    names = [
        arms.get(arm, " + ".join(arm))
        for arm in zip(shown["representation"], shown["detector"], strict=True)
    ]
    group = shown["category"] + ", " + shown["backbone"]
    shown = grouped(shown.assign(arm=names, group=group), "group", "arm")
    return dots_figure(
        shown, "image_auroc", "row", "arm", "The four arms of REB",
        low="image_auroc_low", high="image_auroc_high", reference="published_image_auroc",
    )  # fmt: skip
