"""Speed and memory of DefectMaker on one core: ``python benchmarks/defectmaker.py``."""
# ruff: noqa: T201

import resource
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from reb_pipeline.defectmaker.color import color_jitter
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.maker import REB_KINDS, DefectKind, DefectMaker

REPEATS = 5
DRAWS = {256: 1200, 1024: 180}  # of each repeat
FLAT_DRAWS = 5000
BASELINES = (DefectKind("rect", "cut_paste"), DefectKind("rect_scar", "cut_paste"))
OTHERS = (
    *BASELINES,
    DefectKind("perlin", "texture"),
    DefectKind("bezier", "cut_paste", "poisson"),
)


def main() -> None:
    """Print the Markdown table."""
    cv2.setNumThreads(1)
    grown = growth()  # first: the peak of larger images would hide it
    print("| what | side, px | a second |\n|---|---|---|")
    for side, draws in DRAWS.items():
        make = maker_of(side)
        print(f"| six REB kinds | {side} | {rate(make, REB_KINDS, draws):.0f} |")
        for kind in (*REB_KINDS, *OTHERS):
            print(f"| {kind.name} | {side} | {rate(make, (kind,), draws // 6):.0f} |")
    print(f"| color_jitter | 256 | {jitter_rate():.0f} |")
    print(f"\nPeak memory grew by {grown:.1f} MiB over {FLAT_DRAWS} defects.")


def maker_of(side: int) -> Callable[[DefectKind, int], object]:
    """Build a function that makes one defect on random images of a size, half of them salient."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, side, side, 3), dtype=np.uint8)
    saliency = np.zeros((side, side), bool)
    saliency[side // 4 :, side // 3 :] = True
    maker = DefectMaker([Donor(image, saliency) for image in images], images)
    return lambda kind, index: maker.make(images[index % 8], saliency, kind, 0, index)


def rate(
    make: Callable[[DefectKind, int], object], kinds: tuple[DefectKind, ...], draws: int
) -> float:
    """Defects a second, median of the repeats, each with draws of its own."""
    rates = []
    for repeat in range(REPEATS):
        start = time.perf_counter()
        for index in range(draws):
            make(kinds[index % len(kinds)], repeat * draws + index)
        rates.append(draws / (time.perf_counter() - start))
    return statistics.median(rates)


def jitter_rate() -> float:
    """Whole images of 256 x 256 px a second."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return rate(lambda _kind, _index: color_jitter(rng, image), REB_KINDS, 300)


def growth() -> float:
    """MiB by which the peak of the process grows over many defects, after a warm-up."""
    make = maker_of(256)
    for index in range(60):
        make(REB_KINDS[index % 6], index)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(FLAT_DRAWS):
        make(REB_KINDS[index % 6], index)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


if __name__ == "__main__":
    main()
