"""Check of the promised false-alarm rate on real images: ``python benchmarks/false_alarms.py --out FOLDER``.

Good images only; features are extracted once. A bank is made of a random half of the images; the others, which are
exchangeable whatever the bank, are split ten times into calibration and test images, then another bank is drawn.
Beside it: training images calibrate; and the images in the order of their names, which for the default ELPV is
module by module, where one half makes the bank and the other is tested. Writes
``false_alarms.md`` and ``false_alarms.png``.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reb_pipeline.calibration.conformal import conformal_threshold, false_alarm_band, threshold_rank
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.core.progress import progress
from reb_pipeline.datasets import ELPVDataset
from reb_pipeline.features.extractor import PatchExtractor, extract_patches
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import loose_images
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

RATES = (0.01, 0.05, 0.1)
CALIBRATION_IMAGES = 99
SPLITS_PER_BANK = 10
DRAWS = 20  # of the banks in recording order
CORESET_RATIO = 0.01
SIDE = 128  # pixels
# The shipped default, see docs/measured/defaults.md.
SCORING = ScoringSettings(
    n_neighbors=5, max_neighbors=5, alpha=0.5, image_score="ranked_mean", top_share=0.1, normalization="position"
)  # fmt: skip


class Fitted(NamedTuple):
    """A bank and the detector of the project's defaults."""

    bank: MemoryBank
    coreset: Coreset
    detector: MemoryBankDetector

    def scores_of(self, grids: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Scores of images that are not in the bank, float32 [all images], NaN for the others."""
        found = self.detector.search((str(image), grids[image]) for image in images)
        scores = np.full(len(grids), np.nan, np.float32)
        scores[images] = self.detector.score(found).image_scores
        return scores


def fit(grids: np.ndarray, images: np.ndarray) -> Fitted:
    """Fit the detector on some images."""
    patches = ((str(image), grids[image]) for image in images)
    bank = collect_patches(patches, len(images), {})
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=CORESET_RATIO, seed=0))
    density = measure_local_density(bank, coreset, SCORING.n_neighbors)
    own = search_own_images(bank, coreset, set(evenly_chosen(bank.image_ids)))
    return Fitted(bank, coreset, MemoryBankDetector.of(coreset.of(bank), density, SCORING, own))


def features(folder: str | None) -> np.ndarray:
    """Patch features of all good images in the order of their paths, float32 [images, h, w, channels]."""
    images = loose_images(folder) if folder else ELPVDataset(category="mono").load()
    paths = sorted(sample.path for sample in images.samples if sample.label == 0)
    extractor = PatchExtractor(FeatureSettings(image_size=SIDE, neck="combined"), device="cpu")
    opened = ((path, images.open_image(path)) for path in progress(paths, "patch features"))
    return np.stack([grid for _, grid in extract_patches(extractor, opened)])


def flagged(scores: np.ndarray, calibration: np.ndarray, test: np.ndarray) -> list[int]:
    """Count the flagged test images at each rate."""
    return [
        int((scores[test] > conformal_threshold(scores[calibration], rate)).sum()) for rate in RATES
    ]


def random_splits(grids: np.ndarray, splits: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of flagged images, [splits, rates], and shares where training images calibrate, [banks, rates]."""
    rng = np.random.default_rng(0)
    counts, shares = [], []
    for _ in progress(range(math.ceil(splits / SPLITS_PER_BANK)), "banks of random halves"):
        order = rng.permutation(len(grids))
        trained, others = np.split(order, [len(grids) // 2])
        fitted = fit(grids, trained)
        scores = fitted.scores_of(grids, others)
        for _ in range(SPLITS_PER_BANK):
            calibration, test = np.split(rng.permutation(others), [n])
            counts.append(flagged(scores, calibration, test))
        own = search_own_images(fitted.bank, fitted.coreset, set(map(str, trained[:n])))
        scores[[int(image) for image in own.image_ids]] = fitted.detector.score(own).image_scores
        calibration = np.array([int(image) for image in own.image_ids])
        shares.append(np.array(flagged(scores, calibration, others)) / len(others))
    return np.array(counts[:splits]), np.array(shares)


def in_order(grids: np.ndarray, draws: int, n: int) -> dict[str, np.ndarray]:
    """Shares of flagged images, [draws, rates], where one half makes the bank and the other is tested."""
    first, second = np.array_split(np.arange(len(grids)), 2)
    rng = np.random.default_rng(0)
    shares: dict[str, list[np.ndarray]] = {}
    for name in ("random halves", "first half, then second", "second half, then first"):
        for _ in progress(range(draws), name):
            near, far = (first, second) if name.startswith("first") else (second, first)
            if name == "random halves":
                near, far = np.array_split(rng.permutation(len(grids)), 2)
            beside_bank, bank = np.split(rng.permutation(near), [n])
            beside_test, test = np.split(rng.permutation(far), [n])
            scores = fit(grids, bank).scores_of(grids, np.concatenate([beside_bank, far]))
            for half, calibration in (("the bank's", beside_bank), ("the tested", beside_test)):
                found = np.array(flagged(scores, calibration, test)) / len(test)
                shares.setdefault(f"{name}: calibrated by {half} half", []).append(found)
    return {name: np.array(found) for name, found in shares.items()}


def table(counts: np.ndarray, shares: dict[str, np.ndarray], n: int, n_test: int) -> str:
    """Markdown of both parts."""
    lines = [
        f"{len(counts)} random splits, {n} calibration and {n_test} test images\n",
        "| rate asked for | promised: k / (n + 1) | flagged, mean (standard error) | splits within the 95 % band "
        "| splits above the upper bound (95 %) |\n|---|---|---|---|---|",
    ]
    for rate, found in zip(RATES, counts.T, strict=True):
        alarms, promised = false_alarm_band(n, rate, n_test), threshold_rank(n, rate) / (n + 1)
        low, high = alarms.band
        error = found.std() / math.sqrt(len(found)) / n_test
        lines.append(
            f"| {rate:.0%} | {promised:.2%} | {found.mean() / n_test:.2%} ({error:.2%}) "
            f"| {((low <= found) & (found <= high)).mean():.1%} | {(found > alarms.at_most).mean():.1%} |"
        )
    head = " | ".join(f"flagged at {rate:.0%}" for rate in RATES)
    lines += ["\nShare of test images flagged, mean (lowest to highest of the draws)\n"]
    lines += [f"| | {head} |\n|---{'|---' * len(RATES)}|"]
    for name, found in shares.items():
        cells = [f"{one.mean():.1%} ({one.min():.1%} to {one.max():.1%})" for one in found.T]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figure(
    counts: np.ndarray, shares: dict[str, np.ndarray], n: int, n_test: int, file: Path
) -> None:
    """Counts at 5 % beside what is expected; shares at 5 % of every scenario."""
    from matplotlib.figure import Figure
    from scipy.stats import betabinom

    drawing = Figure(figsize=(12, 4.4), layout="constrained")
    left, right = drawing.subplots(1, 2, width_ratios=[1, 1.2])
    column, rate = 1, RATES[1]
    found, k = counts[:, column], threshold_rank(n, rate)
    numbers = np.arange(found.max() + 3)
    left.bar(numbers, np.bincount(found, minlength=len(numbers)), color="#56B4E9", label="splits")
    if k:
        expected = len(found) * betabinom(n_test, k, n + 1 - k).pmf(numbers)
        left.plot(numbers, expected, "o-", color="#D55E00", label="beta-binomial")
    left.set(xlabel=f"of {n_test} good images flagged at {rate:.0%}", ylabel="splits")
    left.legend()
    for place, values in enumerate(shares.values()):
        right.plot(100 * values[:, column], [place] * len(values), "o", color="#0072B2", alpha=0.4)
        right.plot(100 * values[:, column].mean(), place, "|", color="#D55E00", ms=18, mew=3)
    right.axvline(100 * rate, color="#999999", linestyle="--")
    right.set_yticks(range(len(shares)), [name.replace(": ", ":\n") for name in shares], fontsize=8)
    right.invert_yaxis()
    right.set(xlabel=f"% of good images flagged at {rate:.0%}; bar: mean of the draws")
    drawing.savefig(file, dpi=150)


def main() -> None:
    """Measure, print the tables, write the files."""
    sys.excepthook = print_input_error
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--images", help="folder of good images; good cells of ELPV mono without")
    parser.add_argument("--out", type=Path, default=Path("false_alarms"))
    arguments = parser.parse_args()
    grids = features(arguments.images)
    n = min(CALIBRATION_IMAGES, len(grids) // 5)
    counts, trained = random_splits(grids, arguments.splits, n)
    shares = {f"random halves: calibrated by {n} training images": trained}
    shares |= in_order(grids, min(DRAWS, arguments.splits), n)
    n_test = len(grids) - len(grids) // 2 - n
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = table(counts, shares, n, n_test)
    (arguments.out / "false_alarms.md").write_text(text, encoding="utf-8")
    figure(counts, shares, n, n_test, arguments.out / "false_alarms.png")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
