"""Study: other light, focus and place than those learnt, with and without copies in other light."""

from typing import Any

import pandas as pd


def draw_light(table: pd.DataFrame) -> Any:
    """Draw image AUROC and flagged good images over the level of each change."""
    from reb_pipeline.figures.light import light_figure
    from reb_pipeline.studies.rows import MEAN, MEASURED
    from reb_pipeline.studies.views import distinct_labels

    shown = table[(table["status"] == MEASURED) & (table["category"] != MEAN)]
    labels = distinct_labels(shown, first="category")
    return light_figure(shown.assign(series=labels), "series")
