"""Defective images among the good ones that are learnt: ``python -m benchmarks.contaminated ENV``.

At most 100 good images of a category make the bank, with the shipped scores and coreset 10 %; defective test images are
mixed in until they are 5 or 10 % of it. Measured on the other test images: image AUROC with the clean bank, with the
mixed one, with the mixed one without all of its suspects, and without those that are defective, as a person who looks
at them leaves them out; and how many of the mixed-in images are suspects, or stand in the first 15 % of the list. That
order is compared with the order of the scores of all patches, each image searched among the coreset rows of the
others. Features of 256 px are averaged to a grid of 16 x 16 patches, to be quick. Prints a Markdown table.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.defaults import markdown
from benchmarks.few_images import halved
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.images.leave_out import YES
from reb_pipeline.images.samples import Samples
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.suspects import rank_suspects
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.loader import categories
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

SHARES = (0.0, 0.05, 0.1)
IMAGES = 100  # good ones of the bank
TESTED = 60  # at most, of good and of defective ones each
LISTED = 0.15  # share of the ranked images that is looked at
SETTINGS = MemoryBankSettings(coreset_ratio=0.1)
PARAMS = {  # the shipped default in any environment
    "features": {
        "backbone": "efficientnet_lite0", "weights": "imagenet", "layers": None, "image_size": 256, "neck": "combined"
    },
    "ssl_finetune": {"enabled": False, "budget": "small"},
    "scoring": {
        "scorer": "ldknn", "n_neighbors": 5, "alpha": 0.5, "form": "subtract_squared", "image_score": "ranked_mean",
        "top_share": 0.1, "normalization": "position",
    },
}  # fmt: skip


class Bank:
    """Bank, coreset and detector of some of the images.

    Args:
        grids: Features of all images, [images, h, w, channels].
        images: Indices of the images of the bank.
        scoring: Settings of the scores.
    """

    def __init__(self, grids: np.ndarray, images: np.ndarray, scoring: ScoringSettings) -> None:
        patches = ((str(image), grids[image]) for image in images)
        self.whole: MemoryBank = collect_patches(patches, len(images), {}, SETTINGS)
        self.coreset: Coreset = select_coreset(self.whole, SETTINGS)
        density = measure_local_density(self.whole, self.coreset, scoring.n_neighbors)
        chosen = set(evenly_chosen(self.whole.image_ids))
        own = search_own_images(self.whole, self.coreset, chosen)
        self.detector = MemoryBankDetector.of(self.coreset.of(self.whole), density, scoring, own)

    def auroc(self, grids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> float:
        """Image AUROC in percent on images that are not in the bank."""
        found = self.detector.search((str(image), grids[image]) for image in images)
        return 100 * float(auroc(labels[images], self.detector.score(found).image_scores))

    def ranked_by_all_patches(self) -> list[int]:
        """Rank the images of the bank by their scores among the coreset rows of the others."""
        found = search_own_images(self.whole, self.coreset, self.whole.image_ids)
        scores = self.detector.score(found).image_scores
        return [int(found.image_ids[index]) for index in np.argsort(-scores)]


def drawn(images: np.ndarray, n: int) -> np.ndarray:
    """Draw at most n images with seed 0."""
    return np.random.default_rng(0).permutation(images)[:n]


def features(samples: Samples, parameters: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Features of the drawn images; their labels; and how many of them are training images."""
    good, test = samples.good_training.ids, samples.test.table
    chosen = [test.loc[test["label"] == label, "id"].to_numpy() for label in (0, 1)]
    learnt = list(drawn(np.array(good), IMAGES))
    tested = [str(one) for ids in chosen for one in drawn(ids, TESTED)]
    encoder = Encoder.initial(parameters["features"])
    source = ImageFeatures.of_samples(samples.named([*learnt, *tested]), encoder, "patch features")
    grids = halved(np.stack([grid for _, grid in source.patches()]))
    labels = samples.named([*learnt, *tested]).table["label"].to_numpy()
    return grids, labels, len(learnt)


def measure(samples: Samples, parameters: Any) -> Iterator[dict[str, object]]:
    """Measure a category: one row for each share of defective images in the bank."""
    grids, labels, n_good = features(samples, parameters)
    good = np.arange(n_good)
    bad = drawn(np.flatnonzero(labels), len(labels))
    counts = [min(round(share * n_good / (1 - share)), len(bad) // 2) for share in SHARES]
    tested = np.setdiff1d(np.arange(n_good, len(labels)), bad[: max(counts)])
    for share, count in zip(SHARES, counts, strict=True):
        mixed = bad[:count]
        images = np.sort(np.append(good, mixed))
        began = perf_counter()
        bank = Bank(grids, images, parameters["scoring"])
        fitted = perf_counter()
        ranked = rank_suspects(bank.whole, bank.coreset)
        seconds = perf_counter() - fitted
        order = ranked["image"].astype(int).to_numpy()
        suspects = order[(ranked["suspect"] == YES[0]).to_numpy()]
        values = {0: bank.auroc(grids, tested, labels)}  # by the number of images left out
        for left_out in (suspects, np.intersect1d(suspects, mixed)):
            if len(left_out) not in values:
                kept = Bank(grids, np.setdiff1d(images, left_out), parameters["scoring"])
                values[len(left_out)] = kept.auroc(grids, tested, labels)
        n_defective = int(np.isin(suspects, mixed).sum())
        listed = round(LISTED * len(images))
        row: dict[str, object] = {
            "mixed in": f"{count} of {len(images)}",
            "AUROC": values[0],
            "without all suspects": values[len(suspects)],
            "without defective suspects": values[n_defective],
            "suspects": len(suspects),
            "of them mixed in": n_defective,
            f"mixed in, first {LISTED:.0%}": int(np.isin(order[:listed], mixed).sum()),
        }
        by_all = bank.ranked_by_all_patches()[:listed] if share == max(SHARES) else []
        row["the same by all patches"] = f"{np.isin(by_all, mixed).sum()}" if by_all else "–"
        yield {**row, "ranking, % of the fit": round(100 * seconds / (fitted - began))}


def main() -> None:
    """Measure the categories of an environment that are there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("env")
    parser.add_argument("--data-root")
    parser.add_argument("--categories", nargs="+")
    arguments = parser.parse_args()
    bootstrap_project(Path.cwd())
    root = {"data_root": arguments.data_root} if arguments.data_root else {}
    rows = []
    with KedroSession.create(env=arguments.env, runtime_params={**PARAMS, **root}) as session:
        context = session.load_context()
        for category in arguments.categories or categories():
            images = context.catalog.load(f"{category}.raw_images")
            for row in measure(Samples(images.table, images), context.params[category]):
                rows.append({"category": category, **row})
                sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(markdown(pd.DataFrame(rows).set_index("category")) + "\n")


if __name__ == "__main__":
    main()
