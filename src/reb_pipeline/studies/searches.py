"""Patch scores of configurations on one category; each memory bank is filled and searched once."""

from dataclasses import dataclass
from typing import Any

from reb_pipeline.core.content_cache import entry, remember_arrays, remember_record
from reb_pipeline.detectors.interface import FeatureSource
from reb_pipeline.detectors.sources.cached import CachedFeatures
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.configurations import AUTO, Configuration
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector, needs_fitted_alpha, resolve_alpha
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.studies import costs
from reb_pipeline.studies.category_features import CategoryFeatures
from reb_pipeline.studies.groups import GOOD, HELD_OUT, TEST, UNSEEN, learned_from
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
        self._alphas: dict[Configuration, float] = {}  # fitted ones

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
        fitted = self.bank(configuration, group).detector
        return fitted.with_scoring(self._scoring(configuration), self.alpha(configuration))

    def alpha(self, configuration: Configuration) -> float:
        """Return the weight of the local density; ``auto`` is fitted on good images that are not in the bank.

        Raises:
            InputError: If there are too few of these images.
        """
        scoring = self._scoring(configuration)
        if not needs_fitted_alpha(scoring):
            return 0.0 if scoring.alpha == AUTO else float(scoring.alpha)
        if configuration not in self._alphas:
            held_out = self.nearest(configuration, HELD_OUT)
            density = self.bank(configuration, UNSEEN).detector.density
            self._alphas[configuration] = resolve_alpha(scoring, density, held_out)
        return self._alphas[configuration]

    def nearest(self, configuration: Configuration, group: str) -> NearestPatches:
        """Search the configuration's memory bank for the patches of a group.

        Raises:
            InputError: As for :meth:`detect`.
        """
        of_bank, fitted = self._bank(configuration, learned_from(group))
        detector, images = fitted.detector, self._features.of(configuration, group)
        k = min(self._max_neighbors, len(detector.features))
        scoring = self._scoring(configuration).model_copy(update={"max_neighbors": k})
        depth = scoring.search_depth
        name = entry("searches", bank=of_bank, images=images.content(), depth=depth, kept=KEPT)

        def search() -> dict[str, Any]:
            found = detector.with_scoring(scoring, 0.0).search(images.patches(), self._device)
            return {field: getattr(found, field) for field in KEPT}

        if self._found.get(group, ("",))[0] != name:
            kept = remember_arrays(self._features.cache, name, search)
            nearest = NearestPatches(
                image_ids=images.image_ids,
                coreset_fingerprint=detector.density.coreset_fingerprint,
                **kept,
            )
            self._found[group] = name, nearest
        return self._found[group][1]

    def bank(self, configuration: Configuration, group: str) -> FittedBank:
        """Fill the memory bank of a configuration with a group of good images.

        Raises:
            InputError: If features cannot be made, or the distance cannot be fitted on them.
        """
        return self._bank(configuration, group)[1]

    def costs(self, configuration: Configuration) -> dict[str, float]:
        """Measure the costs of a configuration, see :data:`reb_pipeline.studies.rows.COSTS`."""
        scoring = self._scoring(configuration)
        of_k = scoring.model_copy(update={"max_neighbors": scoring.n_neighbors})  # no more than K
        fitted = self.bank(configuration, GOOD)
        detector = fitted.detector.with_scoring(of_k, self.alpha(configuration))
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
            mode="json", exclude={"alpha", "max_neighbors"}
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
