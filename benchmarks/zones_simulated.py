"""Simulate one cut-off and one for each zone: ``python benchmarks/zones_simulated.py``.

Patch scores of a grid of 12 x 12 are drawn from a gamma distribution (shape 2); in the right half, the zone `label`,
they are sixteen times as high. 50 images are trained on, 99 calibrate, 400 good ones are tested, and as many with a
defect of 4 patches in the quiet half, or in the restless one. Writes which share is flagged at a rate of 5 %, the mean
of 60 draws.
"""

import sys

import numpy as np

from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.scoring.good_scores import GoodScores
from reb_pipeline.scoring.image_scores import image_scores
from reb_pipeline.scoring.settings import ImageScoreSettings
from reb_pipeline.scoring.zones import Zones

SIDE, RATE, DRAWS = 12, 0.05, 60
ZONES = {"label": [[(0.5, 0), (1, 0), (1, 1), (0.5, 1)]]}
LEVEL = np.where(np.arange(SIDE) < SIDE // 2, 1.0, 16.0)


def drawn(rng: np.random.Generator, n: int, column: int = 0, defect: float = 0.0) -> np.ndarray:
    """Draw patch scores of images, some with a defect of 2 x 2 patches at a column; float32 [n, 12, 12]."""
    scores = LEVEL * rng.gamma(2, 1, (n, SIDE, SIDE))
    scores[:, 4:6, column : column + 2] += defect
    return scores.astype(np.float32)


def flagged(name: str, normalization: str, rng: np.random.Generator) -> list[list[float]]:
    """Share of good images, and of those with a quiet and with a restless defect, with one cut-off and with zones."""
    settings = ImageScoreSettings(image_score=name, top_share=0.1)
    train, sets = drawn(rng, 50), [drawn(rng, 99), drawn(rng, 400)]
    sets += [drawn(rng, 400, 2, 12), drawn(rng, 400, 8, 100)]
    if normalization == "position":
        good = GoodScores.of(train)
        train, sets = good.standardize(train), [good.standardize(one) for one in sets]
    zones = Zones.fit(ZONES, train, train, settings)
    found = []
    for with_zones in (False, True):
        scores = [
            zones.image_scores(zones.standardize(one), settings)
            if with_zones
            else image_scores(one, settings)
            for one in sets
        ]
        threshold = conformal_threshold(scores[0], RATE)
        found.append([float((one > threshold).mean()) for one in scores[1:]])
    return found


def main() -> None:
    """Write the table."""
    lines = [
        "| image score | normalization | cut-offs | good | quiet defect | restless defect |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("ranked_mean", "mean_max", "max"):
        for normalization in ("none", "position"):
            rng = np.random.default_rng(0)
            shares = np.mean([flagged(name, normalization, rng) for _ in range(DRAWS)], axis=0)
            for cut_offs, of in zip(("one", "of zones"), shares, strict=True):
                cells = " | ".join(f"{100 * share:.1f} %" for share in of)
                lines.append(f"| {name} | {normalization} | {cut_offs} | {cells} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
