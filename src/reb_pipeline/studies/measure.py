"""From a cell to what was found."""

import logging
from typing import Any

import numpy as np

from reb_pipeline.core.content_cache import Cache, entry, remember_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.metrics.report import evaluate
from reb_pipeline.metrics.significance import bootstrap_interval
from reb_pipeline.parameters.configurations import Cell
from reb_pipeline.parameters.sections import EvaluationParams
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
from reb_pipeline.studies.experiment import Workbench
from reb_pipeline.studies.representations import GOOD, TEST
from reb_pipeline.studies.searches import LDKNN
from reb_pipeline.studies.sections import Sections

logger = logging.getLogger(__name__)


def open_workbench(
    images: ImageCollection,
    sections: Sections,
    representations: dict[str, dict[str, Any]],
    max_neighbors: int,
    cache: Cache,
    *,
    timed: bool = False,
) -> Workbench:
    """Open every image once, then set the workbench up."""
    inventory = take_inventory(images, f"{images.category}: images inspected")
    samples = usable_samples(inventory, sections.ingestion.max_unreadable_share)
    return Workbench(
        images=images,
        samples=samples,
        sections=sections,
        representations=representations,
        max_neighbors=max_neighbors,
        cache=cache,
        timed=timed,
    )


class CellMeter:
    """Measures cells on the test images of a category.

    Args:
        bench: The category.
        params: How verdicts are compared with the truth.
        pixel_metrics: Whether to measure these too, where there are masks.
    """

    def __init__(self, bench: Workbench, params: EvaluationParams, pixel_metrics: bool) -> None:
        self._bench = bench
        self._params = params
        self._pixel_metrics = pixel_metrics

    def report(self, cell: Cell) -> dict[str, Any] | str:
        """What was found, see :func:`reb_pipeline.metrics.report.evaluate`, or in a sentence why nothing was.

        Added are ``labels`` and ``image_scores`` of the test images, the interval ``image_auroc_low`` to
        ``image_auroc_high``, ``fitted_alpha``, and the costs where the bench takes times.
        """
        try:
            bench = self._bench
            name = entry(
                "reports",
                cell=cell.settings(),
                settings=bench.settings(cell),
                bank=bench.features(cell, GOOD).content(),
                test=bench.features(cell, TEST).content(),
                samples=bench.rows(cell, TEST)[["label", "defect_type"]].values.tolist(),
                alpha=bench.alpha(cell) if cell.detector == LDKNN else None,
                params=self._params.model_dump(),
                scoring=bench.sections.scoring.model_dump(),
                pixel_metrics=self._pixel_metrics,
                timed=bench.timed,
            )
            found: dict[str, Any] = remember_json(bench.cache, name, lambda: self._measure(cell))
        except InputError as error:
            return f"error: {error}"
        except Exception as error:  # one cell must not cost the others
            logger.exception("%s: a cell of the study failed: %s", bench.images.category, cell)
            return f"error: {type(error).__name__}: {error}"
        return found

    def _measure(self, cell: Cell) -> dict[str, Any]:
        bench, params = self._bench, self._params
        detection = bench.detect(cell, TEST)
        rows = bench.rows(cell, TEST).set_index("id").loc[detection.image_ids].reset_index()
        scores = rows.assign(image_score=detection.image_scores)
        of_patches = detection.patch_scores
        if of_patches is None or not self._pixel_metrics:
            of_patches = np.zeros((len(scores), 1, 1), np.float32)
            scores["mask_paths"] = [[] for _ in range(len(scores))]
        report = evaluate(
            scores,
            AnomalyMaps(
                of_patches,
                detection.image_ids,
                cell.image_size,
                bench.sections.scoring.smoothing_sigma,
            ),
            bench.images,
            pro_fpr_limit=params.pro_fpr_limit,
            spro_fpr_limit=params.spro_fpr_limit,
            description=f"{bench.images.category}: pixel metrics" if self._pixel_metrics else None,
        )
        low, high = None, None
        if report["image_auroc"] is not None:
            low, high = bootstrap_interval(scores["label"], scores["image_score"])
        return {
            **report,
            "labels": scores["label"].tolist(),
            "image_scores": scores["image_score"].astype(float).tolist(),
            "image_auroc_low": low,
            "image_auroc_high": high,
            "fitted_alpha": bench.alpha(cell) if cell.detector == LDKNN else None,
            **(bench.costs(cell) if bench.timed else {}),
        }
