"""Growth of time and memory with the work: ``python -m benchmarks.growth --out FOLDER`` from the project's folder.

Fitting against the number of training images, search and density against the rows of the bank, features of one image
against its size. Every point has a process of its own. Writes ``growth.md``, ``growth_time.png`` and
``growth_memory.png``; dashed is the fitted power law, extrapolated tenfold.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.memory import peak_of
from benchmarks.peers.case import Settings
from benchmarks.peers.data import BATCH, as_bank, cells, extractor, manifold
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.search.index import NeighborIndex

CORESET_RATIO = 0.01
SMALL_RATIO = 0.001  # of many images: the time of a selection grows as rows times selected rows
NEIGHBORS = 9
CHANNELS = 384
QUERIES = 784
MEASURED_ROWS = (
    2_000  # of a bank's density: the work of a row does not depend on how many are measured
)
TILE, OVERLAP = 256, 64
AUTO = "auto"  # the quickest engine, as conf/base has it

logger = logging.getLogger("benchmarks.growth")


class Curve(NamedTuple):
    """Measurement over growing sizes.

    Attributes:
        title: What is done, for the table and the legend.
        unit: What its sizes count.
        sizes: Where it is measured.
        quick: Where a trial run measures it.
        prepare: From the settings and a size to what is measured.
    """

    title: str
    unit: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    prepare: Callable[[Settings, int], Callable[[], Any]]


class Point(NamedTuple):
    """One measurement: seconds by the clock and of the processor, and MiB added at the peak, any and anonymous."""

    size: int
    seconds: float
    processor: float
    resident: float
    anonymous: float


def fit(settings: Settings, n_images: int, ratio: float = CORESET_RATIO) -> Callable[[], Any]:
    """Images to bank, coreset and local density; images are opened one at a time."""
    from reb_pipeline.features.extractor import extract_patches  # torch takes seconds to import

    extract = extractor(settings, engine=AUTO)
    extract([next(cells(1))])

    def run() -> None:
        named = ((str(index), image) for index, image in enumerate(cells(n_images)))
        bank = collect_patches(extract_patches(extract, named, BATCH), n_images, {})
        coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio, seed=0))
        measure_local_density(bank, coreset, NEIGHBORS)

    return run


def many(settings: Settings, n_images: int) -> Callable[[], Any]:
    """Measure a fit with a small coreset; the bank of the most images lies on the disk."""
    return fit(settings, n_images, SMALL_RATIO)


def search(_: Settings, n_rows: int) -> Callable[[], Any]:
    """The patches of one image against a bank whose index is built."""
    features = manifold(n_rows + QUERIES, CHANNELS)
    rows, queries = features[:n_rows], features[n_rows:]
    index = NeighborIndex(rows)
    index.search(queries[:1], NEIGHBORS)  # imports
    return lambda: index.search(queries, NEIGHBORS)


def density(_: Settings, n_rows: int) -> Callable[[], Any]:
    """Some rows of a bank against all of it."""
    bank = as_bank(manifold(n_rows, CHANNELS))
    few, some = (Coreset(np.arange(min(n, n_rows)), n_rows) for n in (1, MEASURED_ROWS))
    measure_local_density(bank, few, NEIGHBORS)  # imports
    return lambda: measure_local_density(bank, some, NEIGHBORS)


def features(settings: Settings, side: int, **tiles: int) -> Callable[[], Any]:
    """One image of a size to patch features, seen at that size."""
    extract = extractor(settings, engine=AUTO, image_size=side, **tiles)
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    extract([image])
    return lambda: extract([image])


def tiled(settings: Settings, side: int) -> Callable[[], Any]:
    """The same in tiles."""
    return features(settings, side, tile_size=TILE, tile_overlap=OVERLAP)


SIDES = 256, 512, 1024
CURVES = {
    "fit": Curve(
        "fit: images to coreset of 1 % and density",
        "images",
        (50, 100, 200, 500, 1000),
        (2, 4),
        fit,
    ),
    "many": Curve(
        "fit: images to coreset of 0.1 % and density",
        "images",
        (1000, 3000, 10_000),
        (2, 4),
        many,
    ),
    "search": Curve(
        f"search: {QUERIES} patches, K = {NEIGHBORS}",
        "bank rows",
        (10**3, 10**4, 10**5, 10**6),
        (500, 1000),
        search,
    ),
    "density": Curve(
        f"density: {MEASURED_ROWS:,} rows, K = {NEIGHBORS}",
        "bank rows",
        (10**4, 10**5, 10**6),
        (500, 1000),
        density,
    ),
    "features": Curve("features of one image, whole", "pixels a side", SIDES, (64, 128), features),
    "tiled": Curve(
        f"features of one image, tiles of {TILE} px", "pixels a side", SIDES, (256, 320), tiled
    ),
}


def measure(curve: str, size: int, settings: Settings) -> Point:
    """One point, in this process: the peak memory of a first run, the time of the quicker of it and a second."""
    run = CURVES[curve].prepare(settings, size)
    clocks = time.perf_counter, time.process_time
    begun = [clock() for clock in clocks]
    peak = peak_of(run)
    taken = [clock() - start for clock, start in zip(clocks, begun, strict=True)]
    if taken[0] < 60:
        begun = [clock() for clock in clocks]
        run()
        again = [clock() - start for clock, start in zip(clocks, begun, strict=True)]
        taken = list(map(min, taken, again))
    return Point(size, *taken, *peak)


def in_process(curve: str, size: int, weights: str | None, quick: bool) -> Point:
    """The same in a process of its own."""
    job = json.dumps({"curve": curve, "size": size, "weights": weights, "quick": quick})
    command = [sys.executable, "-m", "benchmarks.growth", "--job", job]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Point(*json.loads(answer.splitlines()[-1]))


def power_law(sizes: list[float], values: list[float]) -> tuple[float, float]:
    """Factor and exponent of value = factor * size ** exponent, by least squares of the logarithms."""
    exponent, log_factor = np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)
    return float(np.exp(log_factor)), float(exponent)


def table(curve: Curve, points: list[Point]) -> str:
    """Markdown of one curve."""
    clock, processor = (
        power_law([p.size for p in points], [getattr(p, name) for p in points])[1]
        for name in ("seconds", "processor")
    )
    lines = [
        f"{curve.title}; time grows as {curve.unit} to the power {clock:.2f}, that of the processor {processor:.2f}\n",
        f"| {curve.unit} | seconds | of the processor | peak memory added, MiB | of it anonymous, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {p.size:,} | {p.seconds:.3g} | {p.processor:.3g} | {p.resident:,.0f} | {p.anonymous:,.0f} |" for p in points
    ]  # fmt: skip
    return "\n".join(lines)


def figure(measured: dict[str, list[Point]], value: str, label: str, file: Path) -> None:
    """All curves beside each other by what their sizes count, log-log."""
    from matplotlib.figure import Figure

    units = list(dict.fromkeys(CURVES[name].unit for name in measured))
    drawing = Figure(figsize=(5 * len(units), 4.4), layout="constrained")
    for axes, unit in zip(np.ravel(drawing.subplots(1, len(units))), units, strict=True):
        for name, points in measured.items():
            if CURVES[name].unit != unit:
                continue
            sizes = [p.size for p in points]
            values = [max(getattr(p, value), 1e-3) for p in points]
            (line,) = axes.loglog(sizes, values, "o-", label=CURVES[name].title)
            factor, exponent = power_law(sizes, values)
            beyond = np.geomspace(sizes[0], 10 * sizes[-1], 20)
            axes.loglog(beyond, factor * beyond**exponent, "--", color=line.get_color(), alpha=0.6)
        axes.set(xlabel=unit, ylabel=label)
        axes.grid(which="major", alpha=0.3)
        axes.legend(fontsize=8)
    drawing.savefig(file, dpi=150)


def main() -> None:
    """Measure all points, write the tables and the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("growth"), help="folder, made if missing")
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--weights", help="state dict of a ResNet-18; EfficientNet-Lite0 without")
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job = json.loads(arguments.job)
        settings = Settings(Path(), job["weights"], job["quick"])
        point = measure(job["curve"], job["size"], settings)
        sys.stdout.write(f"\n{json.dumps(point)}\n")
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    measured: dict[str, list[Point]] = {name: [] for name in arguments.curves}
    for name, points in measured.items():
        for size in CURVES[name].quick if arguments.quick else CURVES[name].sizes:
            logger.info("%s: %s %s", name, f"{size:,}", CURVES[name].unit)
            points.append(in_process(name, size, arguments.weights, arguments.quick))
            logger.info("%s", points[-1])
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(table(CURVES[name], points) for name, points in measured.items())
    (arguments.out / "growth.md").write_text(f"{text}\n")
    sys.stdout.write(f"{text}\n")
    figure(measured, "processor", "seconds of the processor", arguments.out / "growth_time.png")
    figure(measured, "resident", "MiB added at the peak", arguments.out / "growth_memory.png")


if __name__ == "__main__":
    main()
