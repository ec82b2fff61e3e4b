"""Regret of a choice of settings: its difference to the best configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reb_pipeline.metrics.significance import wilcoxon_over_categories
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS, Configuration
from reb_pipeline.studies.rows import MEAN, MEASURED, compare_reports, storable

PAPER, AUTO_ALPHA, CHOICE = "paper's default", "alpha = auto", "chosen without labels"
ORACLE = "oracle of the candidates (test labels)"
WIDE_ORACLE = "oracle of all (test labels)"
CHOICES = (PAPER, AUTO_ALPHA, CHOICE, ORACLE, WIDE_ORACLE)
NUMBERS = [
    "image_auroc", "image_auroc_low", "image_auroc_high",
    "regret", "wide_regret", "difference", "p_value",
]  # fmt: skip
COLUMNS = ["category", "choice", "status", *NUMBERS, *CONFIGURATION_FIELDS, "fitted_alpha"]


def choice_rows(
    category: str,
    reports: Mapping[Configuration, Mapping[str, Any] | str],
    candidates: Sequence[Configuration],
    *,
    paper: Configuration,
    auto: Configuration,
    chosen: Configuration,
) -> pd.DataFrame:
    """Make a table with one row per choice.

    Args:
        category: Name of the category.
        reports: Report of every configuration, or the reason for a missing report.
        candidates: The configurations to choose from.
        paper: The paper's default.
        auto: The same with alpha = auto.
        chosen: The candidate chosen without labels.

    Returns:
        ``regret`` is the image AUROC of the best candidate minus that of the choice; ``wide_regret`` is the same for
        the best of all configurations. Both best configurations are found by the test labels. ``difference`` is the
        image AUROC minus that of the paper's default, with ``p_value`` by DeLong's test.
    """
    measured = {one: report for one, report in reports.items() if not isinstance(report, str)}
    for one in (paper, auto, chosen):
        if one not in measured:
            return unavailable_choices(category, str(reports[one]))
    aurocs = {one: report["image_auroc"] for one, report in measured.items()}
    if None in aurocs.values():
        return unavailable_choices(category, "not available: the test has one class only")
    best = max((one for one in candidates if one in aurocs), key=aurocs.__getitem__)
    best_of_all = max(aurocs, key=aurocs.__getitem__)
    rows = []
    for choice, one in zip(CHOICES, (paper, auto, chosen, best, best_of_all), strict=True):
        report = measured[one]
        compared = compare_reports(report, measured[paper])
        rows.append(
            {
                **report,
                **storable(one.settings()),
                "category": category,
                "choice": choice,
                "status": MEASURED,
                "regret": aurocs[best] - aurocs[one],
                "wide_regret": aurocs[best_of_all] - aurocs[one],
                "difference": compared["difference"],
                "p_value": compared.get("p_value") if one != paper else None,
            }
        )
    return _table(rows)


def unavailable_choices(category: str, reason: str) -> pd.DataFrame:
    """Make the rows of a category that could not be measured, with the reason as status."""
    return _table(
        [{"category": category, "choice": choice, "status": reason} for choice in CHOICES]
    )


def with_mean_choices(rows: pd.DataFrame) -> pd.DataFrame:
    """Append the means over several categories, tested against the paper's default by Wilcoxon's signed-rank test."""
    measured = rows[rows["status"] == MEASURED]
    if measured["category"].nunique() < 2:
        return rows
    by_choice = measured.pivot_table(index="category", columns="choice", values="image_auroc")
    means = [
        {
            "category": MEAN,
            "choice": choice,
            "status": MEASURED,
            **measured.loc[
                measured["choice"] == choice, ["image_auroc", "regret", "wide_regret", "difference"]
            ].mean(),
            "p_value": wilcoxon_over_categories(by_choice[choice], by_choice[PAPER]),
        }
        for choice in CHOICES
    ]
    return pd.concat([rows, _table(means)], ignore_index=True)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return (
        pd.DataFrame(rows)
        .reindex(columns=COLUMNS)
        .astype(dict.fromkeys([*NUMBERS, "shots", "fitted_alpha"], float))
    )
