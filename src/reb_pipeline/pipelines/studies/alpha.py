"""Study: image AUROC over alpha by coreset share (paper figure 7)."""

from typing import Any

import pandas as pd


def draw_alpha(table: pd.DataFrame) -> Any:
    """Draw image AUROC over alpha, a line per coreset share; a hollow diamond is the alpha found by `auto`."""
    from reb_pipeline.figures.studies import sweep_figure
    from reb_pipeline.parameters.configurations import AUTO
    from reb_pipeline.studies.rows import MEAN
    from reb_pipeline.studies.views import over_seeds

    shown = over_seeds(table)
    shown = shown[shown["category"] != MEAN].sort_values("alpha", kind="stable")  # "auto" last
    fitted = shown["alpha"] == AUTO
    share = shown["coreset_ratio"].map("coreset {:.1%}".format)
    return sweep_figure(
        shown.assign(method=share.where(~fitted, AUTO)),
        "fitted_alpha", "image_auroc", "method", "Weight of the local density", "alpha", "image AUROC",
        panels="category", unjoined=[AUTO],
    )  # fmt: skip
