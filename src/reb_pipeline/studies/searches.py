"""The patch scorers on one category: banks, searches and what is read off them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from reb_pipeline.core.content_cache import Arrays, entry, remember_arrays
from reb_pipeline.detectors.interface import Detection, FeatureSource
from reb_pipeline.detectors.memory_bank import SearchedBank
from reb_pipeline.memory_bank.bank import collect_patches, fingerprint
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.memory_bank.distances import FeatureSpace
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.configurations import AUTO, Cell
from reb_pipeline.scoring.alpha import fit_alpha
from reb_pipeline.scoring.image_scores import judge
from reb_pipeline.scoring.patch_scores import Neighborhoods, search_depth
from reb_pipeline.studies.representations import GOOD, HELD_OUT, TEST, UNSEEN, CategoryFeatures

LDKNN = "ldknn"  # the one that has an alpha
KEPT = "squared_distances", "rows", "peak_features", "mean_features"  # of a search
T = TypeVar("T")


@dataclass(frozen=True)
class KeptBank:
    """A memory bank that was filled.

    Attributes:
        name: Of its entry in the cache.
        bank: What is searched.
        fit_seconds: What filling it took, from opened images on; 0 where no times are taken.
    """

    name: str
    bank: SearchedBank
    fit_seconds: float


class SearchBench(CategoryFeatures):
    """Fills and searches memory banks of one category; cells that differ in K or alpha share both.

    Args:
        max_neighbors: K_max of all searches.
        timed: Whether to take the time of every fit; each then begins at the images, whatever is in the cache.
        category: The other arguments, see :class:`CategoryFeatures`.
    """

    def __init__(self, *, max_neighbors: int, timed: bool = False, **category: Any) -> None:
        super().__init__(**category)
        self.timed = timed
        self.device = self.sections.compute.processor()
        self._max_neighbors = max_neighbors
        # The latest of each group, as cells that differ in K or alpha follow one another.
        self._banks: dict[str, KeptBank] = {}
        self._latest: dict[str, tuple[str, Neighborhoods]] = {}

    def score(self, cell: Cell, found: Neighborhoods) -> Detection:
        """Judge images by the neighbours of their patches."""
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
        found = self.neighborhoods(replace(cell, detector=LDKNN), HELD_OUT)
        return fit_alpha(
            found.nearest.squared_distances[..., 0],
            found.nearest.rows[..., 0],
            found.density,
            n_neighbors=cell.n_neighbors,
            form=cell.form,
        )

    def neighborhoods(self, cell: Cell, group: str) -> Neighborhoods:
        """Search the cell's bank for the patches of a group."""
        kept = self.bank(cell, bank_of(group))
        bank, images = kept.bank, self.features(cell, group)
        depth = min(search_depth(cell.detector, self._max_neighbors), len(bank.features))
        name = entry("searches", bank=kept.name, images=images.content(), depth=depth, kept=KEPT)

        def search() -> Arrays:
            nearest = bank.search(images, depth, self.device).nearest
            return {field: getattr(nearest, field) for field in KEPT}

        if self._latest.get(group, ("",))[0] != name:
            found = remember_arrays(self.cache, name, search)
            nearest = NearestPatches(
                image_ids=images.image_ids,
                coreset_fingerprint=bank.density.coreset_fingerprint,
                **found,
            )
            self._latest[group] = name, Neighborhoods(nearest, bank.density, bank.features)
        return self._latest[group][1]

    def bank(self, cell: Cell, group: str) -> KeptBank:
        """Fill the bank of a cell with the good images of a group."""
        name = entry(
            "banks",
            good=self.features(cell, group).content(),
            distance=cell.distance,
            coreset_ratio=cell.coreset_ratio,
            seed=cell.seed,
            max_neighbors=self._max_neighbors,
            **self.timing(group),
        )

        def fill() -> Arrays:
            arrays, costs = self.fit_on(cell, group, lambda good: self._fill(cell, good))
            return arrays | {key: np.array(value) for key, value in costs.items()}

        if group not in self._banks or self._banks[group].name != name:
            kept = remember_arrays(self.cache, name, fill)
            features = kept["features"]
            bank = SearchedBank(
                features,
                LocalDensity(kept["density"], fingerprint(features)),
                FeatureSpace(cell.distance, kept["mean"], kept["whitening"]),
            )
            self._banks[group] = KeptBank(name, bank, float(kept.get("fit_seconds", 0.0)))
        return self._banks[group]

    def fit_on(
        self, cell: Cell, group: str, fit: Callable[[FeatureSource], T]
    ) -> tuple[T, dict[str, float]]:
        """Fit something on a group: from its images on where times are taken, else on what the cache has."""
        good = self.features(cell, group)
        if not self.timing(group):
            return fit(good), {}
        made, seconds = good.fresh().timed(fit)
        return made, {"fit_seconds": seconds}

    def timing(self, group: str) -> dict[str, bool]:
        """What tells entries with times from others; choices without labels take none."""
        return {"timed": True} if self.timed and group in (GOOD, TEST) else {}

    def _fill(self, cell: Cell, good: FeatureSource) -> Arrays:
        memory, category = self.sections.compute.memory_gib, self.images.category
        bank = collect_patches(good.patches(), len(good.image_ids), {}, cell.distance, memory)
        label = f"{category}: coreset of {cell.coreset_ratio:.1%}"
        coreset = select_coreset(bank, cell.coreset_ratio, cell.seed, label, memory, self.device)
        k = min(self._max_neighbors, len(bank.features) - 1)
        label = f"{category}: local density"
        density = measure_local_density(bank, coreset, k, label, self.device)
        return {
            "features": coreset.features(bank),
            "density": density.squared_distances,
            "mean": bank.mean,
            "whitening": bank.whitening,
        }


def bank_of(group: str) -> str:
    """Which good images a group is compared with: never with itself."""
    return GOOD if group == TEST else UNSEEN
