"""Views of a study's table, for figures and readers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.metrics.registry import HEADLINES
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS
from reb_pipeline.studies.rows import (
    ADDED,
    ALL_DEFECTS,
    COSTS,
    MEASURED,
    PUBLISHED,
    SHARES,
    STEP,
)

WORDS = (
    "backbone",
    "representation",
    "distance",
    "form",
    "image_score",
    "feature_loss",
    "fusion",
    "pixel_loss",
)  # settings whose values are clear without their name


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Average measured configurations over seeds, for all defects together.

    Args:
        table: The table of a study.

    Returns:
        One row per category and configuration, with the mean image AUROC. ``image_auroc_low`` and ``image_auroc_high``
        are the range over seeds; for a single seed its interval.
    """
    measured = table[(table["status"] == MEASURED) & (table["defect_type"] == ALL_DEFECTS)]
    keys = ["category", *(name for name in CONFIGURATION_FIELDS if name != "seed")]
    groups = measured.groupby(keys, dropna=False, sort=False)
    rows = groups.first().reset_index()
    auroc = groups["image_auroc"]
    rows["image_auroc"] = auroc.mean().to_numpy()
    several = auroc.count().to_numpy() > 1
    for name, ends in (("image_auroc_low", auroc.min()), ("image_auroc_high", auroc.max())):
        rows[name] = np.where(several, ends, rows[name].astype(float))
    return rows


def sorted_by_mean(table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    """Sort rows by the mean value of their name, highest first; rows of one name keep their order.

    Args:
        table: One row per name and category.
        name: Column of the names.
        value: Column of the values.

    Example:
        >>> import pandas as pd
        >>> from reb_pipeline.studies.views import sorted_by_mean
        >>> table = pd.DataFrame({"method": ["a", "b", "a", "b"], "auroc": [0.5, 0.9, 0.7, 0.9]})
        >>> sorted_by_mean(table, "method", "auroc")["method"].tolist()
        ['b', 'b', 'a', 'a']
    """
    means = table.groupby(name, sort=False)[value].transform("mean")
    order = (-means).argsort(kind="stable")
    return table.iloc[order.to_numpy()]


def grouped(table: pd.DataFrame, group: str, name: str) -> pd.DataFrame:
    """Put the rows of a group together, and add the column ``row`` with the names of group and row.

    Args:
        table: One row per group and name.
        group: Column of the groups, which keep their order of appearance.
        name: Column of the names within a group.
    """
    groups = pd.Categorical(table[group], table[group].unique())
    together = table.iloc[groups.codes.argsort(kind="stable")]
    return together.assign(row=together[group] + ": " + together[name].astype(str))


def distinct_labels(table: pd.DataFrame, *, first: str, but: Sequence[str] = ()) -> list[str]:
    """Make a label for each row: the value of ``first``, then all settings that differ from those of the first row.

    Args:
        table: Rows of configurations.
        first: Setting that every label begins with.
        but: Settings to leave out of the labels.
    """
    names = [name for name in CONFIGURATION_FIELDS if name not in (first, "seed", *but)]

    def label(row: pd.Series) -> str:
        differing = [
            name
            for name in names
            if not pd.isna(row[name]) and _plain(row[name]) != _plain(table[name].iloc[0])
        ]
        return ", ".join(
            [str(row[first]), *(_labelled(name, _plain(row[name])) for name in differing)]
        )

    return [label(row) for _, row in table.iterrows()]


def _labelled(name: str, value: str) -> str:
    """Format a setting for a label; values that are clear by themselves stand without the setting's name."""
    return value if name in WORDS else f"{name} {value}"


def render_study(table: pd.DataFrame) -> str:
    """Render the table of a study as text: the settings that differ between rows, and metrics in percent.

    Args:
        table: The table of a study, or that of the choice without labels.
    """
    rows = table[table["status"] == MEASURED]
    if "defect_type" in rows:
        rows = rows[rows["defect_type"] == ALL_DEFECTS]
    settings = [name for name in ("choice", *CONFIGURATION_FIELDS, *STEP) if name in rows]
    columns = ["category", *(name for name in settings if len(rows[name].dropna().unique()) > 1)]
    # The image AUROC is a headline too, but comes first, with its interval.
    numbers = dict.fromkeys(("image_auroc", *ADDED[:2], *SHARES, *HEADLINES, PUBLISHED + "image_auroc",
                             "regret", "wide_regret", "difference"))  # fmt: skip
    percent = [name for name in numbers if name in rows and rows[name].notna().any()]
    shown = rows[columns].map(_plain).join(100 * rows[percent].astype(float))
    others = [name for name in ("p_value", *COSTS, "fitted_alpha") if name in rows]
    shown = shown.join(rows[[name for name in others if rows[name].notna().any()]])
    text = shown.to_string(index=False, float_format="{:.2f}".format, na_rep="–")
    left_out = table.loc[table["status"] != MEASURED, "status"].value_counts()
    return "\n".join([text, *(f"{count} rows: {status}" for status, count in left_out.items())])


def _plain(value: Any) -> str:
    """Format a setting from a column of mixed types, where pandas makes numbers floats."""
    return "–" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
