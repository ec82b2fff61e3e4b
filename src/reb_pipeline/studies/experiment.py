"""One category, and everything that can be measured on it; whatever two configurations share is computed once."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import ValidationError

from reb_pipeline.core.content_cache import Arrays, Cache, entry, remember_arrays
from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.settings import Settings
from reb_pipeline.detectors.interface import Detector, settings_of
from reb_pipeline.detectors.registry import DETECTORS, DetectorSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.images.samples import Samples
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.studies import costs
from reb_pipeline.studies.category_features import CategoryFeatures
from reb_pipeline.studies.groups import GOOD, TEST, learned_from
from reb_pipeline.studies.rows import COSTS
from reb_pipeline.studies.searches import Searches
from reb_pipeline.studies.sections import StudySections, checked

HYBRID = "hybrid"  # the detector that has a memory bank within


class Experiment:
    """Detectors on the images of one category, by configuration.

    Every image is opened once at the beginning.

    Args:
        images: Images of the category.
        sections: Its parameters; a configuration replaces some.
        cache: Keeps everything slow; a dictionary, or a folder.
        max_neighbors: K_max of all searches.
        timed: Whether to take the time of every fit and detection; each fit then begins at the images.

    Raises:
        InputError: If too many images are unreadable, or none is left to learn from.
    """

    def __init__(
        self,
        images: ImageCollection,
        sections: StudySections,
        cache: Cache,
        max_neighbors: int,
        *,
        timed: bool = False,
    ) -> None:
        inventory = take_inventory(images, f"{images.category}: images inspected")
        table = usable_samples(inventory, sections.ingestion.max_unreadable_share)
        self.images = images
        self.sections = sections
        self.cache = cache
        self.max_neighbors = max_neighbors
        self.timed = timed
        self.features = CategoryFeatures(Samples(table, images), sections, cache)
        self.searches = Searches(self.features, max_neighbors, timed=timed)
        # The latest of each group: candidates are scored on several groups of images.
        self._detectors: dict[str, tuple[str, Detector, float]] = {}

    @property
    def category(self) -> str:
        """Name of the category."""
        return self.images.category

    def detect(self, configuration: Configuration, group: str) -> Detection:
        """Score the images of a group, see :mod:`reb_pipeline.studies.groups`.

        Raises:
            InputError: If the configuration cannot be used on this category.
        """
        if configuration.detector in SCORERS:
            return self.searches.detect(configuration, group)
        kept = self._detection(configuration, group)
        ids = self.features.of(configuration, group).image_ids
        return Detection(ids, kept["image_scores"], kept.get("patch_scores"))

    def fitted_alpha(self, configuration: Configuration) -> float | None:
        """Weight of the local density as a number; None for detectors that weigh none, or none alone."""
        scorer = SCORERS.get(configuration.detector)
        return self.searches.alpha(configuration) if scorer and scorer.uses_alpha else None

    def costs(self, configuration: Configuration) -> dict[str, float]:
        """Costs of a configuration by the names of :data:`reb_pipeline.studies.rows.COSTS`, where times are taken.

        ``fit_seconds`` are from opened images to a fitted detector; ``images_per_second`` from opened images to
        scores, the median of three rounds over sixteen test images; ``model_mib`` is the memory that detection takes:
        the detector and the encoder's weights.
        """
        if configuration.detector in SCORERS:
            return self.searches.costs(configuration)
        kept = self._detection(configuration, TEST)
        return {name: float(kept[name]) for name in COSTS}

    def content(self, configuration: Configuration, group: str) -> dict[str, Any]:
        """Everything that decides the scores of a group, as JSON values.

        Raises:
            InputError: If the configuration cannot be used.
        """
        is_timed = self.timed and group == TEST
        return {
            "detector": configuration.detector,
            "settings": self.settings(configuration),
            "good": self.features.of(configuration, learned_from(group)).content(),
            "images": self.features.of(configuration, group).content(),
            # Times are taken at this K_max.
            "timed": {"max_neighbors": self.max_neighbors} if is_timed else None,
        }

    def settings(self, configuration: Configuration) -> dict[str, Any]:
        """Everything that decides what the detector of a configuration learns and how it scores, as JSON values.

        Raises:
            InputError: If there is no such detector, or a setting that it reads cannot be used.
        """
        check_known([configuration.detector], [*SCORERS, *DETECTORS], "Detector of a study")
        if configuration.detector in SCORERS:
            return self.searches.content(configuration)
        return settings_of(self._new_detector(configuration))

    def _new_detector(self, configuration: Configuration) -> Detector:
        """The detector of a configuration, not fitted yet; settings that it does not read are not checked."""
        own = self.sections.under(configuration)
        changes: dict[str, Any] = {"max_neighbors": configuration.n_neighbors}
        if configuration.detector == HYBRID:
            changes["alpha"] = self.searches.alpha(configuration)
        settings = DetectorSettings(
            memory_bank=own.memory_bank,
            scoring=own.scoring.model_copy(update=changes),
            feature_reconstruction=own.feature_reconstruction,
            pixel_reconstruction=own.pixel_reconstruction,
            device=own.compute.processor(),
            description=f"{self.category}: {configuration.detector}",
        )
        try:
            detector = DETECTORS[configuration.detector](settings)
        except ValidationError as error:  # of settings that are made of these
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            msg = f"The detector {configuration.detector} cannot be used: {reason}."
            raise InputError(msg) from None
        for field in fields(detector):  # type: ignore[arg-type]
            value = getattr(detector, field.name)
            if isinstance(value, Settings):
                checked(value, field.name)
        return detector

    def _detection(self, configuration: Configuration, group: str) -> Arrays:
        """Cached scores of a detector other than the patch scorers, with its costs where times are taken."""
        name = entry("detections", **self.content(configuration, group))
        images = self.features.of(configuration, group)
        is_timed = self.timed and group == TEST

        def detect() -> Arrays:
            detector, fit_seconds = self._fitted(configuration, learned_from(group))
            found = detector.detect(images)
            arrays = {"image_scores": found.image_scores}
            if found.patch_scores is not None:
                arrays["patch_scores"] = found.patch_scores
            if is_timed:
                inspection = costs.inspection_costs(images, detector.detect, detector.nbytes)
                arrays |= _arrays({"fit_seconds": fit_seconds, **inspection})
            return arrays

        return remember_arrays(self.cache, name, detect)

    def _fitted(self, configuration: Configuration, group: str) -> tuple[Detector, float]:
        """The detector of a configuration, fitted on a group, and the seconds where times are taken."""
        good = self.features.of(configuration, group)
        detector = self._new_detector(configuration)
        name = entry(
            "detections",
            detector=configuration.detector,
            settings=settings_of(detector),
            good=good.content(),
        )
        if self._detectors.get(group, ("",))[0] != name:
            seconds = 0.0
            if self.timed and group == GOOD:
                _, seconds = costs.timed_fit(good, detector.fit)
            else:
                detector.fit(good)
            self._detectors[group] = name, detector, seconds
        return self._detectors[group][1:]


def _arrays(numbers: Mapping[str, float]) -> Arrays:
    return {name: np.array(number) for name, number in numbers.items()}
