"""Patch scores of configurations on one category; each memory bank is filled and searched once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reb_pipeline.core.content_cache import entry, remember_arrays, remember_record
from reb_pipeline.detectors.interface import FeatureSource
from reb_pipeline.detectors.sources.cached import CachedFeatures
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.filling import fill_bank
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_images
from reb_pipeline.parameters.configurations import AUTO, Configuration
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.fitted import needs_fitted_alpha, needs_good_images
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.studies import costs
from reb_pipeline.studies.category_features import CategoryFeatures
from reb_pipeline.studies.groups import GOOD, TEST, learned_from
from reb_pipeline.studies.sections import StudySections, checked

KEPT = "squared_distances", "rows", "peak_features", "mean_features"  # cached fields of a search


@dataclass(frozen=True)
class FittedBank:
    """Cached memory bank with its coreset and local density.

    Attributes:
        detector: The fitted detector; it scores by the nearest row.
        fit_seconds: Seconds of the fit, without the opening of images; 0 if not timed.
    """

    detector: MemoryBankDetector
    fit_seconds: float


class Searches:
    """Memory banks of one category and searches in them; configurations that differ only in their scores share both.

    Args:
        features: Features of the category's images.
        max_neighbors: K_max of all searches.
        timed: True measures the time of every fit; then each fit starts from images, not from the cache.
    """

    def __init__(
        self, features: CategoryFeatures, max_neighbors: int, *, timed: bool = False
    ) -> None:
        self._features = features
        self._max_neighbors = max_neighbors
        self._timed = timed
        self._device = features.sections.compute.processor()
        # The latest of each group, because configurations that differ only in K or alpha follow one another.
        self._banks: dict[str, tuple[str, FittedBank]] = {}
        self._found: dict[str, tuple[str, NearestPatches]] = {}
        self._detectors: dict[tuple[Configuration, str], MemoryBankDetector] = {}

    def detect(self, configuration: Configuration, group: str) -> Detection:
        """Score the images of a group.

        Raises:
            InputError: If a setting cannot be used, such as K above the number of coreset rows.
        """
        detector = self.detector(configuration, learned_from(group))
        return detector.score(self.nearest(configuration, group))

    def detector(self, configuration: Configuration, group: str) -> MemoryBankDetector:
        """Fit the detector of a configuration on a group of good images.

        Raises:
            InputError: As for :meth:`detect`.
        """
        key = configuration, group
        if key not in self._detectors:
            scoring = self._scoring(configuration)
            fitted = self.bank(configuration, group).detector
            own = self.own(configuration, group) if needs_good_images(scoring) else None
            self._detectors[key] = fitted.with_scoring(scoring, own)
        return self._detectors[key]

    def alpha(self, configuration: Configuration) -> float:
        """Return the weight of the local density; ``auto`` is fitted on images of the bank, each without its own rows.

        Raises:
            InputError: If there are too few of these images.
        """
        scoring = self._scoring(configuration)
        if needs_fitted_alpha(scoring):
            return self.detector(configuration, GOOD).alpha
        return 0.0 if scoring.alpha == AUTO else float(scoring.alpha)

    def nearest(self, configuration: Configuration, group: str) -> NearestPatches:
        """Search the configuration's memory bank for the patches of a group.

        Raises:
            InputError: As for :meth:`detect`.
        """
        of_bank, fitted = self._bank(configuration, learned_from(group))
        detector, images = fitted.detector, self._features.of(configuration, group)
        k = min(self._max_neighbors, len(detector.features))
        depth = self._depth(configuration, k)
        name = entry("searches", bank=of_bank, images=images.content(), depth=depth, kept=KEPT)

        def search() -> dict[str, Any]:
            found = search_images(images.patches(), detector.bank, depth, self._device)
            return {field: getattr(found, field) for field in KEPT}

        if self._found.get(group, ("",))[0] != name:
            kept = remember_arrays(self._features.cache, name, search)
            nearest = NearestPatches(
                image_ids=images.image_ids,
                coreset_fingerprint=detector.density.coreset_fingerprint,
                image_hashes=[],
                bank_fingerprint="",
                **kept,
            )
            self._found[group] = name, nearest
        return self._found[group][1]

    def own(self, configuration: Configuration, group: str) -> NearestPatches:
        """Search the bank of a group for the patches of some of its own images, without each image's own rows."""
        of_bank, fitted = self._bank(configuration, group)
        detector, images = fitted.detector, self._features.of(configuration, group)
        chosen = evenly_chosen(images.image_ids)
        depth = self._depth(configuration, self._max_neighbors)
        name = entry("searches", bank=of_bank, own=chosen, depth=depth, kept=KEPT)

        def search() -> dict[str, Any]:
            whole, coreset = self._whole_bank(configuration, images, detector)
            found = search_own_images(whole, coreset, chosen, depth, self._device)
            ids = np.array(found.image_ids, dtype=str)
            return {"image_ids": ids, **{field: getattr(found, field) for field in KEPT}}

        kept = dict(remember_arrays(self._features.cache, name, search))
        return NearestPatches(
            image_ids=kept.pop("image_ids").tolist(),
            coreset_fingerprint=detector.density.coreset_fingerprint,
            image_hashes=[],
            bank_fingerprint="",
            **kept,
        )

    def _whole_bank(
        self, configuration: Configuration, good: CachedFeatures, detector: MemoryBankDetector
    ) -> tuple[MemoryBank, Coreset]:
        """Fill the memory bank again, of which the detector has the rows of the coreset only."""
        own = self._features.sections.under(configuration)
        settings = checked(own.memory_bank, "memory_bank")
        whole = fill_bank(good, settings, own.compute.memory_gib)
        return whole, Coreset(whole.rows_of(detector.bank), bank_rows=len(whole.features))

    def _depth(self, configuration: Configuration, max_neighbors: int) -> int:
        """Compute the number of rows to find for a patch, enough for every K up to ``max_neighbors``."""
        scoring = self._scoring(configuration)
        return scoring.model_copy(update={"max_neighbors": max_neighbors}).search_depth

    def bank(self, configuration: Configuration, group: str) -> FittedBank:
        """Fill the memory bank of a configuration with a group of good images.

        Raises:
            InputError: If features cannot be made, or the distance cannot be fitted on them.
        """
        return self._bank(configuration, group)[1]

    def costs(self, configuration: Configuration) -> dict[str, float]:
        """Measure the costs of a configuration, see :data:`reb_pipeline.studies.rows.COSTS`."""
        fitted = self.bank(configuration, GOOD)
        detector = self.detector(configuration, GOOD).lean()
        images = self._features.of(configuration, TEST)
        inspection = costs.inspection_costs(
            images, lambda opened: detector.detect(opened, self._device), detector.nbytes
        )
        return {"fit_seconds": fitted.fit_seconds, **inspection}

    def content(self, configuration: Configuration) -> dict[str, Any]:
        """List what determines the scores of a configuration besides the images, as JSON values.

        Raises:
            InputError: If a setting cannot be used.
        """
        own = self._features.sections.under(configuration)
        scoring = self._scoring(configuration).model_dump(
            mode="json", exclude={"alpha", "max_neighbors", "detector"}
        )
        return {
            **_bank_content(own),
            "scoring": scoring,
            "alpha": self.alpha(configuration),
        }

    def _scoring(self, configuration: Configuration) -> ScoringSettings:
        return checked(self._features.sections.under(configuration).scoring, "scoring")

    def _bank(self, configuration: Configuration, group: str) -> tuple[str, FittedBank]:
        """Read or fit a bank; return the name of its cache entry, and the bank."""
        own = self._features.sections.under(configuration)
        good = self._features.of(configuration, group)
        timed = self._timed and group == GOOD
        name = entry(
            "banks",
            good=good.content(),
            max_neighbors=self._max_neighbors,
            timed=timed,
            **_bank_content(own),
        )
        if self._banks.get(group, ("",))[0] != name:

            def fit() -> FittedBank:
                return self._fit(own, good, timed=timed)

            kept = remember_record(self._features.cache, name, FittedBank, fit)
            self._banks[group] = name, kept
        return self._banks[group]

    def _fit(self, own: StudySections, good: CachedFeatures, *, timed: bool) -> FittedBank:
        memory_bank = checked(own.memory_bank, "memory_bank")
        nearest = ScoringSettings(
            scorer="nearest", n_neighbors=1, max_neighbors=self._max_neighbors
        )

        def fit(images: FeatureSource) -> MemoryBankDetector:
            return MemoryBankDetector.fit(
                images,
                memory_bank,
                nearest,
                device=self._device,
                memory_gib=own.compute.memory_gib,
                description=self._features.category,
            )

        return FittedBank(*costs.timed_fit(good, fit)) if timed else FittedBank(fit(good), 0.0)


def _bank_content(own: StudySections) -> dict[str, Any]:
    """List what determines a memory bank besides the images; the memory limit changes the coreset of a large bank."""
    settings = own.memory_bank
    memory = own.compute.memory_gib if settings.coreset_ratio < 1 else None
    return {"memory_bank": settings.model_dump(mode="json"), "memory_gib": memory}
