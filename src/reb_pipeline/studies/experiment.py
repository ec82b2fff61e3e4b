"""Experiment on one category: all measurements of configurations, where shared parts are computed once."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from reb_pipeline.core.content_cache import Arrays, Cache, entry, remember_arrays
from reb_pipeline.core.errors import check_known
from reb_pipeline.detectors.interface import Detector, settings_of
from reb_pipeline.detectors.registry import DETECTORS, DetectorSettings, make_detector
from reb_pipeline.detectors.sources.cached import CachedFeatures
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.images.samples import Samples, copies_of_training
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.studies import costs
from reb_pipeline.studies.category_features import CategoryFeatures
from reb_pipeline.studies.groups import GOOD, TEST, learned_from
from reb_pipeline.studies.rows import COSTS
from reb_pipeline.studies.searches import Searches
from reb_pipeline.studies.sections import StudySections

HYBRID = "hybrid"  # the detector that contains a memory bank

logger = logging.getLogger(__name__)


class Experiment:
    """Scores and costs of configurations on the images of one category.

    Every image is opened once at the beginning.

    Args:
        images: Images of the category.
        sections: Parameters of the category; a configuration replaces some of them.
        cache: Cache of all slow results; a dictionary, or a folder.
        max_neighbors: K_max of all searches.
        timed: True measures the time of every fit and detection; then each fit starts from images, not from the cache.

    Raises:
        InputError: If too many images are unreadable, or no good training image is left.

    Example:
        >>> import fsspec
        >>> from reb_pipeline.images.collection import Sample
        >>> from reb_pipeline.images.packed import PackedImages
        >>> from reb_pipeline.parameters.configurations import Configuration
        >>> samples = [Sample(f"{n}", f"{n}.png", "train", 0, "good") for n in range(3)]
        >>> pixels = {sample.path: np.zeros((32, 32, 3), np.uint8) for sample in samples}
        >>> images = PackedImages(fsspec.filesystem("memory"), "/data", "tile", samples, pixels)
        >>> experiment = Experiment(images, StudySections(), cache={}, max_neighbors=5)
        >>> defaults = Configuration(**experiment.sections.defaults())
        >>> experiment.features.samples(defaults, GOOD).ids
        ['0', '1', '2']
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
        ingestion = sections.ingestion
        table = usable_samples(inventory, ingestion.max_unreadable_share, ingestion.leave_out)
        copies = copies_of_training(table)
        if copies.any():
            logger.warning(
                "%s: %d test images have the pixels of a good training image and are left out of the study.",
                images.category,
                copies.sum(),
            )
        table = table[~copies]
        self.images = images
        self.sections = sections
        self.cache = cache
        self.max_neighbors = max_neighbors
        self.timed = timed
        self.features = CategoryFeatures(Samples(table, images), sections, cache)
        self.searches = Searches(self.features, max_neighbors, timed=timed)
        # The latest detector of each group, because candidates are scored on several groups of images.
        self._detectors: dict[str, tuple[str, Detector, float]] = {}

    @property
    def category(self) -> str:
        """Name of the category."""
        return self.images.category

    def detect(self, configuration: Configuration, group: str) -> Detection:
        """Score the images of a group (:mod:`reb_pipeline.studies.groups`).

        Raises:
            InputError: If the configuration cannot be used on this category.
        """
        if configuration.detector in SCORERS:
            return self.searches.detect(configuration, group)
        kept = self._detection(configuration, group)
        ids = self.features.of(configuration, group).image_ids
        return Detection(ids, kept["image_scores"], kept.get("patch_scores"))

    def fitted(
        self, configuration: Configuration, group: str
    ) -> Callable[[CachedFeatures], Detection]:
        """Fit the detector of a configuration on a group of good images; return the function that scores images.

        Raises:
            InputError: If the configuration cannot be used on this category.
        """
        if configuration.detector in SCORERS:
            detector = self.searches.detector(configuration, group)
            return partial(detector.detect, device=self.sections.compute.processor())
        return self._fitted(configuration, group)[0].detect

    def fitted_alpha(self, configuration: Configuration) -> float | None:
        """Return the weight of the local density as a number; None for detectors other than LDKNN."""
        scorer = SCORERS.get(configuration.detector)
        return self.searches.alpha(configuration) if scorer and scorer.uses_alpha else None

    def costs(self, configuration: Configuration) -> dict[str, float]:
        """Return the costs of a configuration, see :data:`reb_pipeline.studies.rows.COSTS`; only for timed experiments.

        ``fit_seconds`` is the time from opened images to a fitted detector. ``images_per_second`` is the speed from
        opened images to scores, the median of three rounds over sixteen test images. ``model_mib`` is the memory of
        the detector and the encoder's weights in MiB.
        """
        if configuration.detector in SCORERS:
            return self.searches.costs(configuration)
        kept = self._detection(configuration, TEST)
        return {name: float(kept[name]) for name in COSTS}

    def content(self, configuration: Configuration, group: str) -> dict[str, Any]:
        """List everything that determines the scores of a group, as JSON values.

        Raises:
            InputError: If the configuration cannot be used.
        """
        is_timed = self.timed and group == TEST
        return {
            "detector": configuration.detector,
            "settings": self.settings(configuration),
            "good": self.features.of(configuration, learned_from(group)).content(),
            "images": self.features.of(configuration, group).content(),
            # Costs depend on K_max.
            "timed": {"max_neighbors": self.max_neighbors} if is_timed else None,
        }

    def settings(self, configuration: Configuration) -> dict[str, Any]:
        """List all settings that affect the model and the scores of a configuration's detector, as JSON values.

        Raises:
            InputError: If the detector is unknown, or a setting that it reads cannot be used.
        """
        check_known([configuration.detector], [*SCORERS, *DETECTORS], "Detector of a study")
        if configuration.detector in SCORERS:
            return self.searches.content(configuration)
        return settings_of(self._new_detector(configuration))

    def _new_detector(self, configuration: Configuration) -> Detector:
        """Build the detector of a configuration without fitting it; only the settings that it reads are checked."""
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
        return make_detector(configuration.detector, settings)

    def _detection(self, configuration: Configuration, group: str) -> Arrays:
        """Read or compute the scores of a detector of `DETECTORS`, no patch scorer, and its costs if timed."""
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
        """Fit the detector of a configuration on a group; return it and the seconds of the fit, 0 if not timed."""
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
