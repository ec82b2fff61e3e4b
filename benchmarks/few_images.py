"""Check that few good images keep a false-alarm rate: ``python benchmarks/few_images.py --out FOLDER``.

Good cells of ELPV mono. Of n random ones, a threshold is taken in three ways; 300 others are tested:

* split: as many calibrate as the rate needs, and the rest makes the bank;
* left out: all make the bank, and each is scored by a detector fitted without it;
* own rows: all make the bank, and each is compared with the coreset rows of the others.

With ``--detector padim`` or ``gde`` images are left out alone. Features are extracted once, at 128 px, and averaged to
a grid of 8 x 8 patches. Writes ``few_images.md``.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.false_alarms import SCORING, features
from reb_pipeline.calibration.conformal import conformal_threshold, images_needed, threshold_rank
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.core.progress import progress
from reb_pipeline.detectors.gaussian import GdeDetector, PadimDetector
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.left_out import score_left_out
from reb_pipeline.scoring.settings import GAUSSIANS, MEMORY_BANK, PADIM

RATES = (0.05, 0.02)
SIZES = (20, 30, 50, 80, 120, 200)
TESTED = 300
LEFT_OUT = 99  # images, as many as the pipeline scores at these rates
SETTINGS = MemoryBankSettings(coreset_ratio=0.03)
Shares = dict[tuple[str, float | str], float]
SPLIT, ALONE, OWN = "split", "left out", "own rows"


def halved(grids: np.ndarray) -> np.ndarray:
    """Average squares of 2 x 2 patches, [images, h / 2, w / 2, channels]."""
    n, h, w, channels = grids.shape
    return grids.reshape(n, h // 2, 2, w // 2, 2, channels).mean(axis=(2, 4))


def fit(grids: np.ndarray, images: np.ndarray) -> tuple[MemoryBank, Coreset, MemoryBankDetector]:
    """Fit the detector on some images."""
    patches = ((str(image), grids[image]) for image in images)
    bank = collect_patches(patches, len(images), {}, SETTINGS)
    coreset = select_coreset(bank, SETTINGS)
    density = measure_local_density(bank, coreset, SCORING.max_neighbors)
    own = search_own_images(bank, coreset, set(evenly_chosen(bank.image_ids)))
    return bank, coreset, MemoryBankDetector.of(coreset.of(bank), density, SCORING, own)


def scores(detector: MemoryBankDetector, grids: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Score images that are not in the bank."""
    found = detector.search((str(image), grids[image]) for image in images)
    return detector.score(found).image_scores


def one_split(grids: np.ndarray, n: int, seed: int) -> Shares:
    """Share of tested images that each way flags, by its name and the rate; the number of images left out."""
    order = np.random.default_rng([n, seed]).permutation(len(grids))
    good, tested = np.sort(order[:n]), order[n : n + TESTED]
    bank, coreset, detector = fit(grids, good)
    new = scores(detector, grids, tested)
    own = detector.score(search_own_images(bank, coreset, bank.image_ids)).image_scores
    left_out = score_left_out(bank, detector, LEFT_OUT)
    alone = np.concatenate([detection.image_scores for _, detection in left_out])
    shares = {("images", ALONE): len(alone)}
    for rate in RATES:
        for name, calibration in ((ALONE, alone), (OWN, own)):
            shares[name, rate] = (new > conformal_threshold(calibration, rate)).mean()
        needed = images_needed(rate)
        if 2 * needed <= n:
            # In random order: the sorted numbers are those of the recording.
            held_out, learnt = np.split(order[:n], [needed])
            _, _, smaller = fit(grids, np.sort(learnt))
            threshold = conformal_threshold(scores(smaller, grids, held_out), rate)
            shares[SPLIT, rate] = (scores(smaller, grids, tested) > threshold).mean()
    return shares


def one_split_of_gaussians(name: str, grids: np.ndarray, n: int, seed: int) -> Shares:
    """As :func:`one_split`, of ``padim`` or ``gde``, with images left out alone."""
    order = np.random.default_rng([n, seed]).permutation(len(grids))
    make = PadimDetector if name == PADIM else GdeDetector
    detector, good, tested = make(), ArrayFeatures(grids, order[:n]), order[n : n + TESTED]
    left_out = detector.score_left_out(good, LEFT_OUT)
    alone = np.concatenate([detection.image_scores for detection in left_out])
    detector.fit(good)
    new = detector.detect(ArrayFeatures(grids, tested)).image_scores
    flagged = {(ALONE, rate): (new > conformal_threshold(alone, rate)).mean() for rate in RATES}
    return {("images", ALONE): len(alone), **flagged}


@dataclass(frozen=True)
class ArrayFeatures:
    """Features of some images; the mean patch stands for the pooled feature of gde."""

    grids: np.ndarray
    chosen: np.ndarray

    @property
    def image_ids(self) -> list[str]:
        """Numbers of the images."""
        return [str(image) for image in self.chosen]

    def patches(self) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the grids."""
        return ((str(image), self.grids[image]) for image in self.chosen)

    def pooled(self) -> np.ndarray:
        """Average the patches of each image."""
        return self.grids[self.chosen].mean(axis=(1, 2))


def row(n: int, rate: float, splits: list[Shares]) -> str:
    """One line of the table: what each way flags, mean (standard error), highest of the splits."""
    cells = []
    for name in (SPLIT, ALONE, OWN):
        found = np.array([split[name, rate] for split in splits if (name, rate) in split])
        scored = {SPLIT: images_needed(rate), ALONE: splits[0]["images", ALONE], OWN: n}[name]
        rank = threshold_rank(scored, rate)
        if not len(found) or not rank:
            cells += ["–", "–"]
            continue
        error = found.std() / math.sqrt(len(found))
        cells += [
            f"{rank / (scored + 1):.1%}",
            f"{found.mean():.1%} ({error:.1%}), {found.max():.0%}",
        ]
    return f"| {n} | {rate:.0%} | {' | '.join(cells)} |"


def main() -> None:
    """Measure, print the table, write the file."""
    sys.excepthook = print_input_error
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--detector", choices=(MEMORY_BANK, *GAUSSIANS), default=MEMORY_BANK)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--images", help="folder of good images; good cells of ELPV mono without")
    parser.add_argument("--out", type=Path, default=Path("few_images"))
    arguments = parser.parse_args()
    grids = halved(features(arguments.images))
    name = arguments.detector
    measure = one_split if name == MEMORY_BANK else partial(one_split_of_gaussians, name)
    lines = [
        f"{arguments.splits} splits; flagged of at most {TESTED} tested images: mean (standard error), highest\n",
        "| good images | rate | split: k / (n + 1) | flagged | left out: k / (n + 1) | flagged "
        "| own rows: k / (n + 1) | flagged |\n|---|---|---|---|---|---|---|---|",
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for n in arguments.sizes:
        seeds = progress(range(arguments.splits), f"{n} images")
        splits = [measure(grids, n, seed) for seed in seeds]
        lines += [row(n, rate, splits) for rate in RATES]
        text = "\n".join(lines) + "\n"
        (arguments.out / "few_images.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
