"""Simulation of parts with several views: ``python benchmarks/views.py``.

The score of a view is normally distributed; the views of a part have a correlation. A part is flagged if one of its
views is above the threshold, which is taken by images, as if these were parts, or by parts, by the highest score of
each. Prints the share of good parts that is flagged, and how often more of them are flagged than the upper bound that
is stated at 95 %.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reb_pipeline.calibration.conformal import conformal_threshold, false_alarm_band
from reb_pipeline.calibration.parts import views_of_parts

RATE = 0.05
PARTS, TESTED = 99, 200  # that calibrate, and further good ones
VIEWS, CORRELATIONS = (1, 2, 3, 5), (0.0, 0.5, 0.9)


class Flagged(NamedTuple):
    """Good parts that are flagged, over all draws.

    Attributes:
        share: Mean share of them.
        error: Its standard error.
        above_bound: Share of the draws in which more are flagged than the stated upper bound.
    """

    share: float
    error: float
    above_bound: float


def draw(
    rng: np.random.Generator, n_parts: int, n_views: int, correlation: float
) -> tuple[np.ndarray, list[int]]:
    """Draw the scores of images, float64 [parts · views], and the part of each."""
    of_part = rng.normal(size=(n_parts, 1))
    own = rng.normal(size=(n_parts, n_views))
    scores = math.sqrt(correlation) * of_part + math.sqrt(1 - correlation) * own
    return scores.ravel(), np.repeat(np.arange(n_parts), n_views).tolist()


def of_parts(scores: np.ndarray, parts: list[int], n_views: int) -> np.ndarray:
    """Take the highest score of each part."""
    _, rows = views_of_parts(parts, n_views)
    highest: np.ndarray = scores[rows].max(axis=1)
    return highest


def flagged(n_views: int, correlation: float, draws: int) -> dict[str, Flagged]:
    """Count the good parts that are flagged where images calibrate, and where parts do."""
    rng = np.random.default_rng(0)
    counts: dict[str, list[int]] = {"images": [], "parts": []}
    for _ in range(draws):
        images, parts = draw(rng, PARTS, n_views, correlation)
        tested = of_parts(*draw(rng, TESTED, n_views, correlation), n_views)
        for unit, good in (("images", images), ("parts", of_parts(images, parts, n_views))):
            counts[unit].append(int((tested > conformal_threshold(good, RATE)).sum()))
    n = {"images": PARTS * n_views, "parts": PARTS}
    found = {}
    for unit, each in counts.items():
        numbers, bound = np.array(each), false_alarm_band(n[unit], RATE, TESTED).at_most
        error = float(numbers.std() / math.sqrt(draws) / TESTED)
        found[unit] = Flagged(
            float(numbers.mean() / TESTED), error, float((numbers > bound).mean())
        )
    return found


def draw_figure(found: dict[tuple[int, float], dict[str, Flagged]], file: Path) -> None:
    """Draw the flagged share over the number of views."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(7.5, 4), layout="constrained")
    axes = drawing.subplots()
    for unit, colour in (("images", "#D55E00"), ("parts", "#0072B2")):
        for correlation, line in zip(CORRELATIONS, ("o:", "o--", "o-"), strict=True):
            shares = [100 * found[n, correlation if n > 1 else 0.0][unit].share for n in VIEWS]
            label = f"counting {unit}, correlation {correlation:g}"
            axes.plot(VIEWS, shares, line, color=colour, label=label)
    axes.axhline(100 * RATE, color="#999999", lw=0.8)
    axes.set(xlabel="views of a part", ylabel="good parts flagged, %", xticks=VIEWS, ylim=(0, 23))
    axes.legend()
    drawing.savefig(file, dpi=130)


def main() -> None:
    """Simulate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--figure", type=Path, help="file that the shares are drawn to")
    arguments = parser.parse_args()
    draws = arguments.draws
    cases = [(n, one) for n in VIEWS for one in (CORRELATIONS if n > 1 else (0.0,))]
    found = {case: flagged(*case, draws) for case in cases}
    lines = [
        f"{draws} draws of {PARTS} parts that calibrate and {TESTED} further good ones, {RATE:.0%} asked for\n",
        "| views | correlation | flagged, counting images | above the bound | flagged, counting parts "
        "| above the bound |\n|---|---|---|---|---|---|",
    ]
    for (n_views, correlation), by_unit in found.items():
        cells = [
            f"{one.share:.2%} ({one.error:.2%}) | {one.above_bound:.1%}" for one in by_unit.values()
        ]
        lines.append(f"| {n_views} | {correlation:g} | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")
    if arguments.figure is not None:
        draw_figure(found, arguments.figure)


if __name__ == "__main__":
    main()
