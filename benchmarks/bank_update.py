"""Adding and forgetting good images beside a rebuild: ``python -m benchmarks.bank_update --out FOLDER``.

Good solar cells of ELPV; features, coreset of 3 %, local density to 15 neighbours and the search of 50 calibration
images, which both sides do. The two take turns; medians. Fine-tuning is no part of it: the backbone stays as it is.
Writes ``bank_update.md``.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers.case import Settings
from benchmarks.peers.data import BATCH, cells, extractor
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.update import update_bank, update_coreset, update_density
from reb_pipeline.scoring.ldknn import ldknn_scores
from reb_pipeline.search.index import nearest_neighbors

RATIO, NEIGHBORS, SCORED, CALIBRATION = 0.03, 15, 5, 50
STEPS = "features", "coreset", "density", "calibration"

logger = logging.getLogger("benchmarks.bank_update")


class Change(NamedTuple):
    """A bank of some images, of which some are forgotten, and to which others are added."""

    images: int
    added: int
    forgotten: int

    def __str__(self) -> str:
        changes = [("+", self.added), ("−", self.forgotten)]
        return " ".join(f"{sign}{n}" for sign, n in changes if n)


CHANGES = [
    Change(200, 1, 0), Change(200, 0, 1), Change(200, 10, 0), Change(200, 0, 10),
    Change(500, 10, 0), Change(500, 0, 10), Change(500, 10, 10),
]  # fmt: skip
QUICK = [Change(6, 1, 1)]


class State(NamedTuple):
    """Trained parts of a category, and the time of each step in seconds."""

    bank: MemoryBank
    coreset: Coreset
    density: LocalDensity
    calibration: NearestPatches
    seconds: dict[str, float]


class Images:
    """Images by number, and their patch features."""

    def __init__(self, settings: Settings, n: int) -> None:
        self._images = list(cells(n))
        self._extract = extractor(settings)
        self._extract(self._images[:1])

    def patches(self, numbers: range | list[int]) -> list[tuple[str, np.ndarray]]:
        """(id, float32 [h, w, channels]) of each."""
        from reb_pipeline.features.extractor import extract_patches

        named = ((str(number), self._images[number]) for number in numbers)
        return list(extract_patches(self._extract, named, BATCH))


def rebuild(images: Images, numbers: list[int], unseen: range, seed: int = 0) -> State:
    """Everything from the images."""
    clock = Clock()
    bank = clock(
        "features", lambda: collect_patches(iter(images.patches(numbers)), len(numbers), {})
    )
    coreset = clock(
        "coreset", lambda: select_coreset(bank, MemoryBankSettings(coreset_ratio=RATIO, seed=seed))
    )
    density = clock("density", lambda: measure_local_density(bank, coreset, NEIGHBORS))
    found = clock("calibration", lambda: calibrate(images, bank, coreset, unseen))
    return State(bank, coreset, density, found, clock.seconds)


def follow(images: Images, before: State, forget: list[int], added: range, unseen: range) -> State:
    """Forget and add images by updates, and time each step."""
    clock, gone = Clock(), [str(number) for number in forget]

    def grow() -> MemoryBank:
        return update_bank(before.bank, gone, iter(images.patches(added)), len(added))

    bank = clock("features", grow)
    coreset = clock(
        "coreset",
        lambda: update_coreset(
            before.bank, before.coreset, bank, MemoryBankSettings(coreset_ratio=RATIO, seed=0)
        ),
    )
    density = clock(
        "density",
        lambda: update_density(
            before.bank, before.coreset, before.density, bank, coreset, NEIGHBORS
        ),
    )
    found = clock("calibration", lambda: calibrate(images, bank, coreset, unseen))
    return State(bank, coreset, density, found, clock.seconds)


def calibrate(images: Images, bank: MemoryBank, coreset: Coreset, unseen: range) -> NearestPatches:
    """The nearest coreset rows of images that are not in the bank."""
    return search_images(iter(images.patches(unseen)), coreset.of(bank))


class Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str, run: Callable[[], Any]) -> Any:
        """Run and time a step."""
        start = time.perf_counter()
        result = run()
        self.seconds[step] = time.perf_counter() - start
        return result


def measure(settings: Settings, change: Change, repeats: int) -> dict[str, str]:
    """A row of the table."""
    n, end = change.images, change.images + change.added
    n_unseen = settings.of(CALIBRATION, 2)
    images = Images(settings, end + n_unseen)
    forget = np.random.default_rng(0).choice(n, change.forgotten, replace=False).tolist()
    added, unseen = range(n, end), range(end, end + n_unseen)
    numbers = [number for number in range(end) if number not in forget]
    before = rebuild(images, list(range(n)), unseen)
    rebuilt, updated = [], []
    for _ in range(repeats):
        rebuilt.append(rebuild(images, numbers, unseen))
        updated.append(follow(images, before, forget, added, unseen))
    whole, part = (
        {step: float(np.median([run.seconds[step] for run in runs])) for step in STEPS}
        for runs in (rebuilt, updated)
    )
    ours, theirs = updated[-1], rebuilt[-1]
    other = rebuild(images, numbers, unseen, seed=1)
    anew = measure_local_density(ours.bank, ours.coreset, NEIGHBORS).squared_distances
    return {
        "images": f"{n}",
        "change": str(change),
        "rebuild, s": _sum(whole),
        "update, s": _sum(part),
        "times as fast": f"**{sum(whole.values()) / sum(part.values()):.1f}**",
        "bank differs by": f"{_difference(ours.bank.features, theirs.bank.features):.0e}",
        "density differs by": f"{_difference(ours.density.squared_distances, anew):.0e}",
        "coreset rows": f"{len(ours.coreset.rows):,} / {len(theirs.coreset.rows):,}",
        "covering radius": f"{radius(ours) / radius(theirs):.3f}",
        "image scores differ by": f"{shift(ours, theirs):.1%} / {shift(other, theirs):.1%}",
    }


def _sum(seconds: dict[str, float]) -> str:
    steps = " + ".join(f"{seconds[step]:.2f}" for step in STEPS)
    return f"{sum(seconds.values()):.2f} = {steps}"


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference, of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def radius(state: State) -> float:
    """The largest distance of a patch of the bank to the coreset."""
    squared, _ = nearest_neighbors(state.bank.features, state.coreset.features(state.bank), 1)
    return float(np.sqrt(squared.max()))


def shift(one: State, other: State) -> float:
    """Median difference of the calibration images' scores, in units of their standard deviation."""
    mine, theirs = (scores(state) for state in (one, other))
    return float(np.median(np.abs(mine - theirs)) / theirs.std())


def scores(state: State) -> np.ndarray:
    """The highest LDKNN score of each calibration image."""
    found = state.calibration
    of_patches = ldknn_scores(
        found.squared_distances[..., 0], found.rows[..., 0], state.density,
        n_neighbors=SCORED, alpha=1.0,
    )  # fmt: skip
    return of_patches.max(axis=(1, 2))


def main() -> None:
    """Measure all changes, write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bank_update", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("bank_update"), help="folder, made if missing"
    )
    parser.add_argument("--weights", help="state dict of a ResNet-18; EfficientNet-Lite0 without")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logger.setLevel(logging.INFO)
    settings = Settings(Path(tempfile.gettempdir()), arguments.weights, arguments.quick)
    rows = []
    for change in QUICK if arguments.quick else CHANGES:
        logger.info("%d images, %s", change.images, change)
        rows.append(measure(settings, change, arguments.repeats))
        logger.info("%s", rows[-1])
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "bank_update.md").write_text(f"{text}\n")
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
