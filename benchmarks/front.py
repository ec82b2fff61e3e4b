"""Front of accuracy over cost: ``python -m benchmarks.front --out FOLDER mvtec_ad=TABLE visa=TABLE …``.

Reads the tables of ``kedro run --pipelines studies_features`` on several data sets (``study_features_table.parquet``),
several of one data set joined by a comma, and times an inspection with each configuration. Writes ``front.csv``, which
``reb train --max-ms`` chooses from (``src/reb_pipeline/project/front.csv``), ``front.md`` and ``front.png``. With
``--anomalib``, the tables of ``python -m benchmarks.peers.front``, anomalib's models are timed in turn and stand in the
last two, for comparison.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.defaults import markdown
from benchmarks.peers.data import cells
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.features.onnx_export import export_onnx
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.inspection.model import good_image
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import InspectionParams
from reb_pipeline.project.front import MB, Point
from reb_pipeline.project.inspection_time import inspection_milliseconds
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.studies.leave_out import leave_one_data_set_out, overview
from reb_pipeline.studies.rows import ALL_DEFECTS, MEAN, MEASURED

CONFIGURATION = ["backbone", "neck", "image_size", "coreset_ratio"]
ROWS = {"representation": "imagenet", "seed": 0, "status": MEASURED, "defect_type": ALL_DEFECTS}
IMAGES = 200  # good photos that a model of the table has learnt from
DEFAULT = ("efficientnet_lite0", "combined", 256, 0.1)


def values_of(tables: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Arrange image AUROC in percent: one row per configuration, one column per category; with each one's data set."""
    rows, data_sets = [], {}
    for name, paths in tables.items():
        for path in paths.split(","):
            table = pd.read_parquet(path)
            alike = (table[list(ROWS)] == pd.Series(ROWS)).all(axis=1)
            table = table[alike & (table["category"] != MEAN)].replace({"category": {"part": name}})
            data_sets |= dict.fromkeys(table["category"], name)
            rows.append(table)
    together = pd.concat(rows, ignore_index=True)
    values = 100 * together.pivot_table(
        index=CONFIGURATION, columns="category", values="image_auroc"
    )
    return values.dropna(), data_sets


def described(configuration: tuple[Any, ...], weights: Mapping[str, str]) -> dict[str, Any]:
    """Measure what a configuration costs: processor time of an inspection, patches, channels and network."""
    backbone, neck, size, share = configuration
    features = FeatureSettings(
        backbone=backbone, neck=neck, image_size=size, weights=weights.get(backbone, "imagenet")
    )
    sections = {
        "features": features,
        "memory_bank": MemoryBankSettings(coreset_ratio=share),
        "scoring": ScoringSettings(alpha=0.5, image_score="ranked_mean", anomaly_map="distance"),
        "inspection": InspectionParams(input=None, engine="onnxruntime", allow_undecided=False),
    }
    photos = list(cells(8))
    ms = inspection_milliseconds(photos, IMAGES, sections, time.process_time)
    (height, width, channels), network_mb = _network(features)
    photo = float(np.mean([len(good_image(one, size)) for one in photos]))
    point = Point(*configuration, height * width, channels, network_mb, 0)
    return {
        "patches": height * width, "channels": channels, "network_mb": round(point.network_mb, 2),
        "ms": ms, "mb": point.megabytes(IMAGES, sections["scoring"].max_neighbors, photo),
    }  # fmt: skip


@cache
def _network(settings: FeatureSettings) -> tuple[tuple[int, ...], float]:
    """Shape of the features of an image, and MB of the exported network."""
    import torch

    size, network = settings.image_size, Encoder.initial(settings, "cpu").patches().network
    with torch.inference_mode():
        shape = network(torch.zeros((1, size, size, 3), dtype=torch.uint8)).shape[1:]
    return tuple(shape), len(export_onnx(network, size)) / MB


def chosen_on_others(values: pd.DataFrame, data_sets: dict[str, str], cost: pd.Series) -> float:
    """Mean over the data sets of what is reached where each budget's choice is made on the others."""
    affordable = values[values.index.isin(cost.index)]
    left_out = leave_one_data_set_out(affordable, data_sets)
    return float(left_out.groupby("data_set")["value"].mean().mean())


def table_of(values: pd.DataFrame, data_sets: dict[str, str], costs: pd.DataFrame) -> pd.DataFrame:
    """Join accuracy and costs, the best on top.

    ``others`` is the choice on other data sets, among those of the row's backbone that take no longer.
    """
    table = costs.join(overview(values, data_sets)).sort_values(
        "mean", ascending=False, kind="stable"
    )
    backbone = costs.index.get_level_values("backbone")
    table["others"] = [
        chosen_on_others(values, data_sets, costs["ms"][(backbone == name) & (costs["ms"] <= ms)])
        for (name, *_), ms in table["ms"].items()
    ]
    table["relative_cost"] = table["ms"] / table["ms"].get(DEFAULT, table["ms"].max())
    for name, cost in (("front_ms", "ms"), ("front_mb", "mb")):
        # No other configuration is better at no more cost.
        table[name] = [
            not ((table["mean"] > row["mean"]) & (table[cost] <= row[cost])).any()
            for _, row in table.iterrows()
        ]
    return table


def models_of_anomalib(tables: Mapping[str, str], weights: str) -> pd.DataFrame:
    """Join accuracy and costs of anomalib's models, as :func:`table_of` does of the project's configurations."""
    from benchmarks.peers.case import Settings
    from benchmarks.peers.front import costs_of

    rows, data_sets = [], {}
    for name, path in tables.items():
        table = pd.read_csv(path).replace({"category": {"part": name}})
        data_sets |= dict.fromkeys(table["category"], name)
        rows.append(table)
    values = pd.concat(rows).pivot_table(index="model", columns="category", values="image_auroc")
    settings = Settings(Path(), weights, quick=False)
    costs = {name: costs_of(name, settings, IMAGES) for name in values.index}
    return overview(values, data_sets).join(pd.DataFrame(costs, index=["ms", "mb"]).T)


def draw(table: pd.DataFrame, others: pd.DataFrame, file: Path) -> None:
    """Draw accuracy over time and over size; those that none beats at no more cost are joined, others stand alone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    titles = {"ms": "processor time of an image, ms", "mb": f"model of {IMAGES} photos, MB"}
    for axes, (cost, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for backbone, rows in table.groupby(level="backbone"):
            axes.semilogx(rows[cost], rows["mean"], "o", label=backbone)
        if len(others):
            axes.semilogx(
                others[cost], others["mean"], "x", color="grey", label="anomalib, resnet18"
            )
        for name, row in others.iterrows():
            axes.annotate(
                name,
                (row[cost], row["mean"]),
                (-6, 4),
                ha="right",
                fontsize=8,
                textcoords="offset points",
            )
        front = table[table[f"front_{cost}"]].sort_values(cost)
        axes.step(front[cost], front["mean"], where="post", color="grey", linewidth=1, zorder=0)
        for number, ((_, _, size, share), row) in enumerate(front.iterrows()):
            name, place = f"{size} px, {100 * share:g} %", (row[cost], row["mean"])
            side, offset = ("right", (-5, 5)) if number % 2 else ("left", (5, -12))
            axes.annotate(name, place, offset, ha=side, fontsize=8, textcoords="offset points")
        most = pd.concat([table, others])[cost].max()
        ticks = [tick for tick in (2, 5, 10, 20, 50, 100, 200) if tick < 1.5 * most]
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel=title, ylabel="image AUROC, mean over data sets")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(file, dpi=150)


def main() -> None:
    """Read the tables, measure the costs, write data, Markdown and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", metavar="NAME=TABLE[,TABLE]")
    parser.add_argument("--anomalib", nargs="*", default=[], metavar="NAME=TABLE")
    parser.add_argument("--weights", nargs="*", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--out", type=Path, default=Path("front"), help="folder, made if missing")
    arguments = parser.parse_args()
    tables, weights, peers = (
        dict(one.split("=", 1) for one in given)
        for given in (arguments.tables, arguments.weights, arguments.anomalib)
    )
    values, data_sets = values_of(tables)
    costs = pd.DataFrame([described(one, weights) for one in values.index], index=values.index)
    table = table_of(values, data_sets, costs)
    others = models_of_anomalib(peers, weights["resnet18"]) if peers else pd.DataFrame()
    arguments.out.mkdir(parents=True, exist_ok=True)
    shipped = table.rename(columns={"mean": "image_auroc"}).round(
        {"image_auroc": 2, "relative_cost": 3}
    )
    columns = ["patches", "channels", "network_mb", "image_auroc", "relative_cost"]
    head = (
        "# Made by `python -m benchmarks.front`, see docs/measured/front.md.\n"
        f"# image_auroc is the mean over the data sets {', '.join(tables)};\n"
        "# relative_cost is the processor time of an image over that of the default.\n"
    )
    text = shipped[columns].reset_index().to_csv(index=False)
    (arguments.out / "front.csv").write_text(head + text)
    shown = ["mean", "worst", "others", "ms", "mb", "front_ms", "front_mb", *values.columns]
    report = f"{markdown(table[shown])}\n"
    if peers:
        report += f"\n{markdown(others[['mean', 'worst', 'ms', 'mb', *values.columns]])}\n"
    (arguments.out / "front.md").write_text(report)
    sys.stdout.write(report)
    draw(table, others, arguments.out / "front.png")


if __name__ == "__main__":
    main()
