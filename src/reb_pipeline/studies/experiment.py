"""One category, and everything that can be measured on it; whatever two cells share is computed once."""

from dataclasses import asdict, replace
from inspect import signature
from statistics import median
from typing import Any

import numpy as np

from reb_pipeline.core.content_cache import Arrays, entry, remember_arrays
from reb_pipeline.core.errors import insist_known
from reb_pipeline.detectors.interface import Detection, Detector
from reb_pipeline.detectors.memory_bank import MemoryBankDetector
from reb_pipeline.detectors.registry import DETECTORS
from reb_pipeline.parameters.configurations import PIXEL_DETECTORS, Cell
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.studies.representations import GOOD, TEST
from reb_pipeline.studies.rows import COSTS
from reb_pipeline.studies.searches import SearchBench, bank_of

SPEED_IMAGES, SPEED_REPEATS = 16, 3


class Workbench(SearchBench):
    """Measures cells on one category, those of any detector.

    Args:
        category: See :class:`SearchBench`.
    """

    def __init__(self, **category: Any) -> None:
        super().__init__(**category)
        # The latest of each group: candidates are judged on several groups of images.
        self._detectors: dict[str, tuple[str, Detector, dict[str, float]]] = {}

    def detect(self, cell: Cell, group: str) -> Detection:
        """Judge the images of a group.

        Raises:
            InputError: If the cell cannot be measured on this category.
        """
        if cell.detector in SCORERS:
            return self.score(cell, self.neighborhoods(cell, group))
        kept = self._detection(cell, group)
        ids = self.features(cell, group).image_ids
        return Detection(ids, kept["image_scores"], kept.get("patch_scores"))

    def costs(self, cell: Cell) -> dict[str, float]:
        """What a cell takes, by the names of :data:`reb_pipeline.studies.rows.COSTS`.

        ``fit_seconds`` are from opened images to a fitted detector; ``images_per_second`` from opened images to
        scores, the median of three rounds over sixteen test images; ``model_mib`` is what that holds in memory: what
        was learned and the encoder's weights.
        """
        if cell.detector not in SCORERS:
            kept = self._detection(cell, TEST)
            return {name: float(kept[name]) for name in COSTS}
        filled = self.bank(cell, GOOD)
        given = self._given(replace(cell, alpha=self.alpha(cell)))
        detector = MemoryBankDetector(cell.detector, **given)
        detector.bank = filled.bank.up_to(cell.n_neighbors)
        return {"fit_seconds": filled.fit_seconds, **self._inspection_costs(detector, cell)}

    def settings(self, cell: Cell) -> dict[str, Any]:
        """The settings that the cell's detector takes, as JSON values.

        Raises:
            InputError: If there is no such detector.
        """
        insist_known([cell.detector], list(DETECTORS), "Detector of a study")
        alpha = {"alpha": self.alpha(cell)} if cell.detector == "hybrid" else {}
        return _accepted(cell, {**self._budget(cell), **asdict(cell), **alpha})

    def _budget(self, cell: Cell) -> dict[str, Any]:
        """How much a detector is trained, and on what."""
        if cell.detector in PIXEL_DETECTORS:
            pixels = self.sections.pixel_reconstruction
            return {**pixels.settings(), "side": pixels.image_size}
        levels = self.sections.feature_reconstruction
        is_usual = cell.backbone == self.sections.features.backbone
        return {**levels.settings(), "layers": levels.layers if is_usual else None}

    def _given(self, cell: Cell) -> dict[str, Any]:
        """All that the cell's detector is made with."""
        return self.settings(cell) | _accepted(
            cell,
            {
                "device": self.device,
                "description": f"{self.images.category}: {cell.detector}",
                "image_score_settings": self.sections.scoring.image_score_settings(),
            },
        )

    def _detection(self, cell: Cell, group: str) -> Arrays:
        """What a detector other than the patch scorers says, and on test images its costs where times are taken."""
        settings, images = self.settings(cell), self.features(cell, group)
        name = entry(
            "detections",
            detector=cell.detector,
            settings=settings,
            good=self.features(cell, bank_of(group)).content(),
            images=images.content(),
            **self.timing(group),
        )

        def judge() -> Arrays:
            detector, fit_costs = self._fitted(cell, bank_of(group))
            found = detector.detect(images)
            arrays = {"image_scores": found.image_scores}
            if found.patch_scores is not None:
                arrays["patch_scores"] = found.patch_scores
            costs = fit_costs and {**fit_costs, **self._inspection_costs(detector, cell)}
            return arrays | {key: np.array(value) for key, value in costs.items()}

        return remember_arrays(self.cache, name, judge)

    def _fitted(self, cell: Cell, group: str) -> tuple[Detector, dict[str, float]]:
        """The cell's detector, fitted on a group, and what that cost where times are taken."""
        content = self.features(cell, group).content()
        name = entry(
            "detectors", detector=cell.detector, settings=self.settings(cell), good=content
        )
        if self._detectors.get(group, ("",))[0] != name:
            detector = DETECTORS[cell.detector](**self._given(cell))
            _, costs = self.fit_on(cell, group, detector.fit)
            self._detectors[group] = name, detector, costs
        return self._detectors[group][1:]

    def _inspection_costs(self, detector: Detector, cell: Cell) -> dict[str, float]:
        opened = self.features(cell, TEST).opened(SPEED_IMAGES)
        detector.detect(opened)  # the first round opens networks and warms up
        seconds = [opened.timed(detector.detect)[1] for _ in range(SPEED_REPEATS)]
        return {
            "images_per_second": len(opened.image_ids) / median(seconds),
            "model_mib": (detector.nbytes + opened.encoder_bytes) / 2**20,
        }


def _accepted(cell: Cell, settings: dict[str, Any]) -> dict[str, Any]:
    """Of some settings those that the cell's detector takes."""
    taken = signature(DETECTORS[cell.detector]).parameters
    return {name: value for name, value in settings.items() if name in taken}
