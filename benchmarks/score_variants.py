"""Patch scores that were tried beside the shipped one: ``python -m benchmarks.score_variants ENV=DATA ENV=DATA …``.

All variants read one search of one bank: the shipped neck, coreset 10 %, the 15 nearest rows of each patch. Each is
measured with three image scores, with and without normalisation by position; fusions are means of image scores in units
of the spread of good images. Prints a Markdown table of the image AUROC by category.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from kedro.io import DataCatalog, DatasetError

from benchmarks.defaults import markdown
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.parameters.loader import CONF_SOURCE, LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.scoring.good_scores import GoodScores
from reb_pipeline.scoring.image_scores import image_scores
from reb_pipeline.scoring.settings import ImageScoreSettings
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.groups import GOOD, TEST
from reb_pipeline.studies.sections import StudySections

PARAMS = {
    "features": {"backbone": "efficientnet_lite0", "weights": "imagenet", "neck": "combined"},
    "ssl_finetune": {"enabled": False, "budget": "small"},
    "memory_bank": {"coreset_ratio": 0.1},
    "scoring": {"scorer": "knn", "n_neighbors": 5},  # `knn` searches all neighbours up to K_max
}
K, MAX_NEIGHBORS = 5, 15
LEAST_DENSITY = (
    0.05  # of the mean, so that the logarithm of a row among copies of itself stays finite
)
IMAGE_SCORES = {
    "max": ImageScoreSettings(image_score="max"),
    "block_max": ImageScoreSettings(),
    "ranked_mean": ImageScoreSettings(image_score="ranked_mean", top_share=0.1),
}
Scores = Callable[[np.ndarray, np.ndarray], np.ndarray]


def after(distances: np.ndarray, local: np.ndarray, alpha: float) -> np.ndarray:
    """Take the minimum after normalising, in squared distances: min over rows m of d² - alpha LD(m).

    The Laguerre distance of each row's ball, over the rows that were found (LDN of Wilkinghoff et al.).

    Args:
        distances: Squared distances to the nearest rows, ascending, floats [..., rows].
        local: Local density of these rows, floats [..., rows].
        alpha: Weight of the local density.
    """
    return (distances - alpha * local).min(axis=-1)


def before(distances: np.ndarray, local: np.ndarray, alpha: float) -> np.ndarray:
    """Normalise the nearest row's distance alone, as LDKNN (REB equation 4): d² - alpha LD of the nearest row."""
    return distances[..., 0] - alpha * local[..., 0]


def logarithm(distances: np.ndarray, local: np.ndarray, alpha: float) -> np.ndarray:
    """Take the minimum of log d² - alpha log LD, the ratio of both as a monotone form."""
    return (np.log(distances + 1e-12) - alpha * np.log(local)).min(axis=-1)


def ratio(distances: np.ndarray, local: np.ndarray, alpha: float) -> np.ndarray:
    """Divide the nearest row's distance by its local density: log d² - alpha log LD, of the nearest row alone."""
    return np.log(distances[..., 0] + 1e-12) - alpha * np.log(local[..., 0])


FORMS = {
    "d² - alpha LD": before,
    "min of d² - alpha LD": after,
    "d² / LD^alpha": ratio,
    "min of d² / LD^alpha": logarithm,
}
ALPHAS = (0.5, 1.0)


def least_variance(
    form: Callable[..., np.ndarray], distances: np.ndarray, local: np.ndarray
) -> float:
    """Choose the alpha of the smallest relative variance of good images' scores (VarMin, Matsumoto et al. 2025)."""
    grid = np.linspace(0, 1.5, 31)
    return float(grid[np.argmin([form(distances, local, alpha).var() for alpha in grid])])


def variants(
    experiment: Experiment, configuration: Configuration
) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Score the test images by every variant: (patch score, normalisation, image score), float32 [images]."""
    searches = experiment.searches
    density = searches.bank(configuration, GOOD).detector.density.mean_distance(K, squared=True)
    density = np.maximum(density, LEAST_DENSITY * density.mean())
    found = [searches.own(configuration, GOOD), searches.nearest(configuration, TEST)]
    own, test = ((one.squared_distances, density[one.rows]) for one in found)
    scores = {"d² (1-NN)": (own[0][..., 0], test[0][..., 0])}
    for (name, form), alpha in product(FORMS.items(), ALPHAS):
        scores[f"{name}, alpha {alpha:g}"] = form(*own, alpha), form(*test, alpha)
    for name in ("d² - alpha LD", "min of d² - alpha LD"):
        alpha = least_variance(FORMS[name], *own)
        scores[f"{name}, alpha of least variance"] = (
            FORMS[name](*own, alpha),
            FORMS[name](*test, alpha),
        )
    in_spreads = {}  # image scores in units of the spread of good images
    for (name, groups), by_position in product(scores.items(), (False, True)):
        standardize = GoodScores.of(groups[0]).standardize if by_position else np.float32
        for image_score, settings in IMAGE_SCORES.items():
            key = name, "position" if by_position else "none", image_score
            good_images, test_images = (
                image_scores(standardize(each), settings) for each in groups
            )
            in_spreads[key] = (test_images - good_images.mean()) / good_images.std()
            yield key, test_images
    for how in (np.mean, np.max):
        for normalization in ("none", "position"):
            some = [values for key, values in in_spreads.items() if key[1] == normalization]
            yield (
                (f"{how.__name__} of all above, fused", normalization, "all three"),
                how(some, axis=0),
            )


def of_environment(env: str, data_root: str, output_root: Path) -> Iterator[dict[str, object]]:
    """Measure every variant on the categories of an environment that are there."""
    params = {**PARAMS, "data_root": data_root or None, "output_root": str(output_root / env)}
    loader = ProjectConfigLoader(
        str(Path(CONF_SOURCE).resolve()), env=env, runtime_params=params, **LOADER_ARGS
    )
    catalog = DataCatalog.from_config(loader["catalog"])
    for category in loader.categories:
        try:
            images = catalog.load(f"{category}.raw_images")
        except DatasetError as error:  # the category is not there
            sys.stderr.write(f"{error}\n")
            continue
        sections = StudySections.of(loader["parameters"], category)
        cache = catalog.load(f"{category}.study_cache")
        experiment = Experiment(images, sections, cache, MAX_NEIGHBORS)
        configuration = Configuration(**sections.defaults())
        labels = experiment.features.samples(configuration, TEST).table["label"].to_numpy()
        for key, found in variants(experiment, configuration):
            names = dict(zip(("patch score", "normalisation", "image score"), key, strict=True))
            yield {
                "data set": env,
                "category": category,
                **names,
                "image AUROC": 100 * auroc(labels, found),
            }


def main() -> None:
    """Measure all environments and print the table, the best mean over data sets first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environments", nargs="+", metavar="ENV=DATA")
    parser.add_argument("--output-root", type=Path, default=Path("data/score_variants"))
    arguments = parser.parse_args()
    rows = []
    for one in arguments.environments:
        rows += of_environment(*one.split("=", 1), arguments.output_root)
    table = pd.DataFrame(rows)
    names = ["patch score", "normalisation", "image score"]
    values = table.pivot_table(index=names, columns="category", values="image AUROC", sort=False)
    of_sets = table.groupby([*names, "data set"], sort=False)["image AUROC"].mean()
    values.insert(0, "mean", of_sets.groupby(names, sort=False).mean())
    sys.stdout.write(markdown(values.sort_values("mean", ascending=False, kind="stable")))


if __name__ == "__main__":
    main()
