"""Choice of the shipped default: ``python -m benchmarks.defaults --out FILE mvtec_ad=TABLE visa=TABLE …``.

Reads the tables of ``kedro run --pipelines studies_defaults`` on several data sets (``study_defaults_table.parquet``)
and writes Markdown: the best configurations and the named ones over all categories, and for each data set the
configuration that is best on the others.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from reb_pipeline.studies.leave_out import leave_one_data_set_out, overview
from reb_pipeline.studies.rows import MEAN
from reb_pipeline.studies.views import over_seeds

SETTINGS = ["neck", "detector", "alpha", "image_score", "normalization"]
SHIPPED = ("combined", "ldknn", "0.5", "ranked_mean", "position")
NAMED = {
    "default of before": ("paper", "ldknn", "1.0", "block_max", "none"),
    "shipped default": SHIPPED,
    "shipped, neck reference": ("reference", *SHIPPED[1:]),
    "shipped, neck paper": ("paper", *SHIPPED[1:]),
}
FEATURES = {"representation": "imagenet", "image_size": 256, "coreset_ratio": 0.1}  # of all others
METRICS = {
    "image_auroc": "Image AUROC",
    "recall_at_5": "Recall at 5 % false alarms (oracle)",
    "pixel_auroc": "Pixel AUROC",
    "pixel_ap": "Pixel AP",
    "au_pro": "AU-PRO",
}
SHOWN = 12  # configurations


def read(tables: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read the tables; returns the rows of all categories, and the data set of each category."""
    rows, data_sets = [], {}
    for name, path in tables.items():
        table = over_seeds(pd.read_parquet(path))
        table = table[table["category"] != MEAN]
        data_sets |= dict.fromkeys(table["category"], name)
        rows.append(table)
    together = pd.concat(rows, ignore_index=True)
    # Alpha has no effect on 1-NN.
    return together.assign(
        alpha=together["alpha"].where(together["detector"] == "ldknn", "–")
    ), data_sets


def values_of(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Arrange a metric in percent: one row per scoring, one column per category that has it."""
    alike = rows[(rows[list(FEATURES)] == pd.Series(FEATURES)).all(axis=1)]
    values = 100 * alike.pivot_table(index=SETTINGS, columns="category", values=metric, sort=False)
    return values.dropna(axis=1)


def features_of(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Arrange a metric of the shipped scoring in percent: one row per kind of features, one column per category."""
    shipped = rows[
        (rows[SETTINGS] == pd.Series(dict(zip(SETTINGS, SHIPPED, strict=True)))).all(axis=1)
    ]
    return 100 * shipped.pivot_table(index=list(FEATURES), columns="category", values=metric)


def markdown(table: pd.DataFrame) -> str:
    """Format a table with two decimals."""
    head = [*table.index.names, *table.columns]
    lines = [f"| {' | '.join(map(str, head))} |", "|---" * len(head) + "|"]
    for key, row in table.iterrows():
        cells = [*(key if isinstance(key, tuple) else [key])]
        cells += [f"{value:.2f}" if isinstance(value, float) else str(value) for value in row]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines).replace("nan", "–")


def named(described: pd.DataFrame) -> pd.DataFrame:
    """Select the default of before, the shipped one and the best 1-NN, under their names."""
    nearest = described[described.index.get_level_values("detector") == "nearest"].iloc[:1]
    rows = {name: described.loc[key] for name, key in NAMED.items() if key in described.index}
    table = pd.DataFrame({**rows, "best 1-NN": nearest.iloc[0]}).T
    table.index.name = "configuration"
    return table


def report(tables: dict[str, str]) -> str:
    """Make the report."""
    rows, data_sets = read(tables)
    parts = []
    for metric, title in METRICS.items():
        values = values_of(rows, metric) if metric in rows else pd.DataFrame()
        if values.empty:
            continue
        described = overview(values, data_sets)
        parts.append(f"## {title}, named configurations\n\n{markdown(named(described))}")
        if metric == "image_auroc":
            parts.append(f"## {title}, the best {SHOWN}\n\n{markdown(described.head(SHOWN))}")
            left_out = leave_one_data_set_out(values, data_sets)
            left_out["configuration"] = [", ".join(key) for key in left_out["configuration"]]
            features = markdown(features_of(rows, metric))
            parts.append(f"## {title} of the shipped scoring, by features\n\n{features}")
            mean = f"Mean {left_out['value'].mean():.2f}, oracle {left_out['oracle'].mean():.2f}."
            parts.append(f"## {title}, one data set left out\n\n{markdown(left_out)}\n\n{mean}")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Read the tables, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", metavar="NAME=TABLE")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = report(dict(one.split("=", 1) for one in arguments.tables))
    if arguments.out:
        arguments.out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
