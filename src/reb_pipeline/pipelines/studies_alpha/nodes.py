"""Figure of the study."""

from typing import Any

import pandas as pd


def draw_alpha(table: pd.DataFrame) -> Any:
    """Lines over alpha, a panel a category; a cell of alpha = auto stands at the alpha that was fitted."""
    from reb_pipeline.figures.studies import sweep_figure
    from reb_pipeline.studies.rows import MEAN
    from reb_pipeline.studies.views import over_seeds

    shown = over_seeds(table)
    shown = shown[shown["category"] != MEAN]
    share = [f"coreset {ratio:.1%}" for ratio in shown["coreset_ratio"]]
    method = [
        f"{s}, auto" if a == "auto" else s for s, a in zip(share, shown["alpha"], strict=True)
    ]
    return sweep_figure(
        shown.assign(method=method),
        "fitted_alpha", "image_auroc", "method", "Weight of the local density", "alpha", "image AUROC",
        panels="category",
    )  # fmt: skip
