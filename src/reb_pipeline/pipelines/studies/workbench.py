"""One category, and everything that can be measured on it; whatever two cells share is computed once."""

from dataclasses import asdict, dataclass, replace
from inspect import signature
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from reb_pipeline.detectors.interface import Detection
from reb_pipeline.detectors.registry import DETECTORS
from reb_pipeline.errors import insist_known
from reb_pipeline.neighbors.alpha import fit_alpha
from reb_pipeline.neighbors.bank import collect_patches, fingerprint
from reb_pipeline.neighbors.coreset import select_coreset
from reb_pipeline.neighbors.density import LocalDensity, measure_local_density
from reb_pipeline.neighbors.distances import FeatureSpace
from reb_pipeline.neighbors.image_scores import judge
from reb_pipeline.neighbors.scorers import SCORERS, Neighborhoods, search_depth
from reb_pipeline.neighbors.search import NearestPatches, search_images
from reb_pipeline.pipelines.studies.representations import (
    GOOD,
    HELD_OUT,
    TEST,
    UNSEEN,
    CategoryFeatures,
)
from reb_pipeline.studies.cache import entry, remember_arrays
from reb_pipeline.studies.cells import AUTO, Cell

SPEED_IMAGES, SPEED_REPEATS = 16, 3
KEPT = "squared_distances", "rows", "peak_features", "mean_features"  # of a search


@dataclass(frozen=True)
class SearchedBank:
    """What is left of a memory bank once it is searched: the coreset, its density, its space."""

    features: np.ndarray
    density: LocalDensity
    space: FeatureSpace
    name: str  # of its entry in the cache


class Workbench(CategoryFeatures):
    """Measures cells on one category.

    Args:
        max_neighbors: K_max of all searches.
        category: The other arguments, see :class:`CategoryFeatures`.
    """

    def __init__(self, *, max_neighbors: int, **category: Any) -> None:
        super().__init__(**category)
        self._max_neighbors = max_neighbors
        self._device = self.sections.compute.processor()
        self._banks: dict[str, tuple[str, SearchedBank]] = {}  # the latest of each group
        self._latest: dict[str, tuple[str, Neighborhoods]] = {}

    def detect(self, cell: Cell, group: str) -> Detection:
        """Judge the images of a group.

        Raises:
            InputError: If the cell cannot be measured on this category.
        """
        insist_known([cell.detector], list(DETECTORS), "Detector of a study")
        if cell.detector in SCORERS:
            return self._score(cell, self.neighborhoods(cell, group))
        good, images = self.features(cell, _bank_of(group)), self.features(cell, group)
        settings = _accepted_settings(cell)
        name = entry(
            "detections",
            detector=cell.detector,
            settings=settings,
            good=good.content(),
            images=images.content(),
        )

        def judge() -> dict[str, np.ndarray]:
            detector = DETECTORS[cell.detector](**settings)
            detector.fit(good)
            found = detector.detect(images)
            patches = {} if found.patch_scores is None else {"patch_scores": found.patch_scores}
            return {"image_scores": found.image_scores, **patches}

        kept = remember_arrays(self.cache, name, judge)
        return Detection(images.image_ids, kept["image_scores"], kept.get("patch_scores"))

    def _score(self, cell: Cell, found: Neighborhoods) -> Detection:
        of_patches, of_images = judge(
            found,
            cell.detector,
            cell.image_score,
            n_neighbors=cell.n_neighbors,
            alpha=self.alpha(cell),
            form=cell.form,
            settings=self.sections.scoring.image_score_settings(),
        )
        return Detection(found.nearest.image_ids, of_images, of_patches)

    def alpha(self, cell: Cell) -> float:
        """Alpha as a number: ``auto`` is fitted on good images that are not in the bank."""
        if cell.alpha != AUTO:
            return float(cell.alpha)
        found = self.neighborhoods(cell, HELD_OUT)
        return fit_alpha(
            found.nearest.squared_distances[..., 0],
            found.nearest.rows[..., 0],
            found.density,
            n_neighbors=cell.n_neighbors,
            form=cell.form,
        )

    def neighborhoods(self, cell: Cell, group: str) -> Neighborhoods:
        """Search the cell's bank for the patches of a group."""
        bank = self._bank(cell, _bank_of(group))
        images = self.features(cell, group)
        depth = min(search_depth(cell.detector, self._max_neighbors), len(bank.features))
        name = entry("searches", bank=bank.name, images=images.content(), depth=depth, kept=KEPT)

        def search() -> dict[str, np.ndarray]:
            patches = ((key, bank.space.apply(grid)) for key, grid in images.patches())
            found = search_images(patches, bank.features, depth, self._device)
            return {field: getattr(found, field) for field in KEPT}

        # Cells that differ in K or alpha follow one another.
        if self._latest.get(group, ("",))[0] != name:
            kept = remember_arrays(self.cache, name, search)
            nearest = NearestPatches(
                image_ids=images.image_ids, coreset=bank.density.coreset, **kept
            )
            self._latest[group] = name, Neighborhoods(nearest, bank.density, bank.features)
        return self._latest[group][1]

    def _bank(self, cell: Cell, group: str) -> SearchedBank:
        good = self.features(cell, group)
        name = entry(
            "banks",
            good=good.content(),
            distance=cell.distance,
            coreset_ratio=cell.coreset_ratio,
            seed=cell.seed,
            max_neighbors=self._max_neighbors,
        )

        def fill() -> dict[str, np.ndarray]:
            memory = self.sections.compute.memory_gib
            n_images = len(good.image_ids)
            bank = collect_patches(good.patches(), n_images, {}, cell.distance, memory)
            label = f"{self.images.category}: coreset of {cell.coreset_ratio:.1%}"
            coreset = select_coreset(
                bank, cell.coreset_ratio, cell.seed, label, memory, self._device
            )
            k = min(self._max_neighbors, len(bank.features) - 1)
            label = f"{self.images.category}: local density"
            density = measure_local_density(bank, coreset, k, label, self._device)
            return {
                "features": coreset.features(bank),
                "density": density.squared_distances,
                "mean": bank.mean,
                "whitening": bank.whitening,
            }

        if self._banks.get(group, ("",))[0] != name:
            kept = remember_arrays(self.cache, name, fill)
            features = kept["features"]
            self._banks[group] = (
                name,
                SearchedBank(
                    features,
                    LocalDensity(kept["density"], fingerprint(features)),
                    FeatureSpace(cell.distance, kept["mean"], kept["whitening"]),
                    name,
                ),
            )
        return self._banks[group][1]

    def images_per_second(self, cell: Cell) -> float:
        """Speed from opened images to image scores, median of three rounds over sixteen test images."""
        features = self.features(cell, TEST)
        bank, extractor, alpha = self._bank(cell, GOOD), features.extractor(), self.alpha(cell)
        opened = [picture.open() for picture in features.pictures[:SPEED_IMAGES]]

        def judge() -> None:
            grids = bank.space.apply(extractor(opened))
            depth = cell.n_neighbors if SCORERS[cell.detector].searches_all else 1
            patches = ((str(i), grid) for i, grid in enumerate(grids))
            found = search_images(patches, bank.features, depth, self._device)
            self._score(
                replace(cell, alpha=alpha), Neighborhoods(found, bank.density, bank.features)
            )

        judge()  # the first round warms up
        seconds = []
        for _ in range(SPEED_REPEATS):
            start = perf_counter()
            judge()
            seconds.append(perf_counter() - start)
        return len(opened) / median(seconds)


def _bank_of(group: str) -> str:
    """Which good images a group is compared with: never with itself."""
    return GOOD if group == TEST else UNSEEN


def _accepted_settings(cell: Cell) -> dict[str, Any]:
    """The settings of the cell that its detector takes."""
    taken = signature(DETECTORS[cell.detector]).parameters
    return {name: value for name, value in asdict(cell).items() if name in taken}
