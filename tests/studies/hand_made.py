"""Reports of configurations made by hand, and the tables they give."""

import numpy as np
import pandas as pd

from reb_pipeline.studies.rows import study_rows

LABELS = [0, 0, 0, 1, 1, 1]
GOOD, BETTER = [1.0, 4.0, 2.0, 3.0, 5.0, 6.0], [1.0, 3.0, 2.0, 4.0, 5.0, 6.0]


def report(scores=GOOD, labels=LABELS, **more):
    anomalous, good = (np.array(scores)[np.array(labels) == label] for label in (1, 0))
    value = (anomalous[:, None] > good).mean()
    kinds = {"crack": {"image_auroc": 0.7}, "hole": {"image_auroc": 0.9}}
    return {
        "labels": labels, "image_scores": scores, "image_auroc": value, "image_ap": 0.5,
        "image_auroc_low": 0.1, "image_auroc_high": 0.95, "fitted_alpha": None,
        "per_defect_type": kinds, **more,
    }  # fmt: skip


def table_of(configurations, reports, category="screw", reference=None):
    return study_rows(
        category, [each.settings() for each in configurations], reports, reference or {}
    )


def all_defects(table):
    return table[table["defect_type"] == "all"].reset_index(drop=True)


def measured(aurocs, configurations, reference=None):
    """A table of several categories whose image AUROCs are given, [configurations][categories]."""
    categories = [
        table_of(
            configurations, [report(image_auroc=value) for value in values], f"c{index}", reference
        )
        for index, values in enumerate(np.transpose(aurocs))
    ]
    return pd.concat(categories, ignore_index=True)
