"""Table of a study, from the reports of its configurations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.metrics import registry
from reb_pipeline.metrics.image import recall_at
from reb_pipeline.metrics.registry import LOCO_METRICS, loco_metrics
from reb_pipeline.metrics.significance import delong_test, wilcoxon_over_categories
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS

MEASURED = "measured"
ALL_DEFECTS, MEAN = "all", "mean"
METRICS = [
    *(name for name, metric in registry.METRICS.items() if metric.in_studies),
    *(name for name, (metric, _) in LOCO_METRICS.items() if registry.METRICS[metric].in_studies),
]
COSTS = ["fit_seconds", "images_per_second", "model_mib"]
FALSE_ALARM_RATE = 0.05  # of recall_at_5
ADDED = ["image_auroc_low", "image_auroc_high", "recall_at_5", "fitted_alpha", *COSTS]
COLUMNS = [
    "category", "defect_type", *CONFIGURATION_FIELDS, "status", *METRICS, *ADDED, "difference", "p_value"
]  # fmt: skip
NUMBERS = ["shots", *METRICS, *ADDED, "difference", "p_value"]
STEP, SHARES = ["change", "level"], ["flagged", "found"]  # further columns of the study of light
PUBLISHED = "published_"  # prefix of the name of a metric


def study_rows(
    category: str,
    configurations: Sequence[Mapping[str, Any]],
    reports: Sequence[dict[str, Any] | str],
    reference: Mapping[str, Any],
) -> pd.DataFrame:
    """Make the rows of one category: each configuration over all defects, then per defect type.

    Args:
        category: Name of the category.
        configurations: Settings of each configuration, see
            :meth:`reb_pipeline.parameters.configurations.Configuration.settings`.
        reports: Report of each configuration, or the reason for a missing report, which begins with ``error:`` or
            ``not available:``, see
            :meth:`reb_pipeline.studies.measure.Evaluator.report`.
        reference: Values of the configuration to test the others against, see :func:`reference_of`.
    """
    rows = []
    for settings, report in zip(configurations, reports, strict=True):
        if isinstance(report, str):
            rows.append(_failed_row(category, settings, report))
            continue
        head = {"category": category, **storable(settings), "status": MEASURED}
        overall = {name: report.get(name) for name in (*METRICS, *ADDED)} | loco_metrics(report)
        overall["recall_at_5"] = recall_at(
            FALSE_ALARM_RATE, report["labels"], report["image_scores"]
        )
        overall |= _against_reference(settings, configurations, reports, reference)
        rows.append({**head, "defect_type": ALL_DEFECTS, **overall})
        kinds = report["per_defect_type"]
        if len(kinds) > 1:  # a single type would repeat the row of all defects
            rows += [
                {**head, "defect_type": kind, **{name: found.get(name) for name in METRICS}}
                for kind, found in kinds.items()
            ]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype(dict.fromkeys(NUMBERS, float))


def _failed_row(category: str, settings: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Make the row of a configuration that could not be measured."""
    head = {"category": category, **storable(settings)}
    return {**head, "status": reason, "defect_type": ALL_DEFECTS}


def storable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings for a table: ``alpha``, which may be a word, and height and width to text."""
    return {
        name: str(list(value))
        if isinstance(value, (list, tuple))
        else str(value)
        if name == "alpha"
        else value
        for name, value in settings.items()
    }


def reference_of(
    settings: Mapping[str, Any],
    all_settings: Iterable[Mapping[str, Any]],
    reference: Mapping[str, Any],
) -> Mapping[str, Any] | None:
    """Find the configuration to compare with: the most similar one that has the values of ``reference``.

    Args:
        settings: The configuration.
        all_settings: All configurations of the study.
        reference: Values of some fields of the configuration to find.

    Returns:
        Its settings; None if ``reference`` is empty or no configuration has its values.
    """
    if not reference:
        return None
    described = [
        other
        for other in all_settings
        if all(other[name] == value for name, value in reference.items())
    ]
    return max(
        described,
        key=lambda other: sum(other[name] == settings[name] for name in CONFIGURATION_FIELDS),
        default=None,
    )


def _against_reference(
    settings: Mapping[str, Any],
    configurations: Sequence[Mapping[str, Any]],
    reports: Sequence[dict[str, Any] | str],
    reference: Mapping[str, Any],
) -> dict[str, float]:
    """Compare the image AUROC with that of the reference, see :func:`compare_reports`; empty without one."""
    other = reference_of(settings, configurations, reference)
    if other is None or other == settings:
        return {}
    own, base = (reports[list(configurations).index(one)] for one in (settings, other))
    if isinstance(base, str) or isinstance(own, str) or own["image_auroc"] is None:
        return {}
    return compare_reports(own, base)


def compare_reports(own: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, float]:
    """Compare two image AUROCs on the same images: ``difference``, and ``p_value`` by DeLong's test (1988).

    There is no p-value if a class has only one image, which has no variance.
    """
    if np.bincount(own["labels"]).min() < 2:
        return {"difference": own["image_auroc"] - base["image_auroc"]}
    test = delong_test(own["labels"], own["image_scores"], base["image_scores"])
    return {"difference": test.difference, "p_value": test.p_value}


def with_means(rows: pd.DataFrame, reference: Mapping[str, Any]) -> pd.DataFrame:
    """Append the mean over categories of each configuration that was measured on every category, step by step.

    Args:
        rows: Rows of all categories, see :func:`study_rows`.
        reference: See :func:`reference_of`; means are tested against the reference's by Wilcoxon's signed-rank test.

    Returns:
        The rows and the means; only the rows if there is one category.
    """
    measured = rows[(rows["status"] == MEASURED) & (rows["defect_type"] == ALL_DEFECTS)]
    categories = rows["category"].unique()
    if len(categories) < 2:
        return rows
    names = [*CONFIGURATION_FIELDS, *(name for name in STEP if name in rows)]
    numbers = [*METRICS, "difference", *COSTS, *(name for name in SHARES if name in rows)]
    groups = {
        key: group.set_index("category")
        for key, group in measured.groupby(names, dropna=False, sort=False)
        if len(group) == len(categories)
    }
    settings: list[Mapping[str, Any]] = [
        dict(zip(names, map(_given, key), strict=True)) for key in groups
    ]
    means = []
    for own, group in zip(settings, groups.values(), strict=True):
        mean = {**own, "category": MEAN, "status": MEASURED, "defect_type": ALL_DEFECTS}
        mean.update(group[numbers].astype(float).mean())
        other = reference_of(own, settings, storable(reference))
        if other is not None and other != own:
            base = list(groups.values())[settings.index(other)]
            mean["p_value"] = wilcoxon_over_categories(
                group["image_auroc"], base["image_auroc"].loc[group.index]
            )
        means.append(mean)
    if not means:
        return rows
    return pd.concat([rows, pd.DataFrame(means)], ignore_index=True).astype({"shots": float})


def _given(value: Any) -> Any:
    """Convert NaN to None, because NaN is not equal to itself."""
    return None if pd.isna(value) else value


def beside_published(rows: pd.DataFrame, numbers: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Add the paper's numbers to a table of measured ones.

    Args:
        rows: The table of a study.
        numbers: See :func:`reb_pipeline.studies.published.published`.
        benchmark: Name of the measured data set.

    Returns:
        The rows with ``published_<metric>`` in [0, 1] if the paper has a number for the same backbone, representation,
        detector, K and category. If the paper does not state K, every K matches; its ``knn`` also matches ``nearest``.
        Rows for the paper's unmatched means follow, with a status that says so.
    """
    table = rows.assign(benchmark=benchmark)
    matched = set()
    ours = numbers[numbers["representation"] != ""]
    number: Any
    for number in ours[ours["benchmark"] == benchmark].itertuples():
        fits = (
            (table["defect_type"] == ALL_DEFECTS)
            & (table["category"] == number.category)
            & (table["backbone"] == number.backbone)
            & (table["representation"] == number.representation)
            & (table["detector"].replace({"nearest": "knn"}) == number.detector)
            & (
                (number.n_neighbors == "")
                | (table["n_neighbors"].astype(str) == number.n_neighbors)
            )
            & _same_shots(table["shots"], number.shots)
        )
        if fits.any():
            table.loc[fits, PUBLISHED + number.metric] = number.value / 100
            matched.add(number.Index)
    left = ours[~ours.index.isin(matched) & (ours["category"] == MEAN)]
    keys = [
        "benchmark",
        "category",
        "backbone",
        "representation",
        "detector",
        "n_neighbors",
        "shots",
    ]
    others = (
        left.assign(value=left["value"] / 100, metric=PUBLISHED + left["metric"])
        .pivot_table(values="value", index=keys, columns="metric", dropna=False, observed=True)
        .dropna(how="all")
        .reset_index()
        if len(left)
        else pd.DataFrame(columns=keys)
    )
    others["n_neighbors"] = pd.to_numeric(others["n_neighbors"], errors="coerce")
    others["shots"] = others["shots"].astype(float)
    others["defect_type"] = ALL_DEFECTS
    others["status"] = [
        "published, not measured"
        if name == benchmark
        else f"not available: {name} is another data set"
        for name in others["benchmark"]
    ]
    return pd.concat([table, others], ignore_index=True)


def _same_shots(shots: pd.Series, number: Any) -> pd.Series:
    return shots.isna() if pd.isna(number) else shots == number
