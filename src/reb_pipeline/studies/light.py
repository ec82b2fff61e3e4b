"""Study of light: test images that are changed in steps, scored by a detector that has learnt images as they are.

Image AUROC says whether defects still differ from good parts that were changed alike; the share of flagged good images,
whether the threshold still holds. The threshold is taken from held-out good images, which are not changed.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.core.content_cache import entry, remember_json
from reb_pipeline.images.light import CHANGES
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.groups import HELD_OUT, TEST, UNSEEN
from reb_pipeline.studies.measure import measured_or_reason
from reb_pipeline.studies.rows import (
    ALL_DEFECTS,
    COLUMNS,
    MEASURED,
    NUMBERS,
    SHARES,
    STEP,
    storable,
)

NO_CHANGE = "none"


class LightEvaluator:
    """Scores of changed test images of a category; each step is cached.

    Args:
        experiment: The experiment on the category.
        rate: Share of good parts that may be flagged.
    """

    def __init__(self, experiment: Experiment, rate: float) -> None:
        self._experiment = experiment
        self._rate = rate

    def report(self, configuration: Configuration) -> dict[str, Any] | str:
        """Measure a configuration in all steps.

        Returns:
            ``steps``, one dictionary each: ``change``, ``level``, ``image_auroc``, ``flagged`` and ``found``, the
            shares of good and of defective images above the threshold; None where it cannot be measured. If the
            configuration cannot be measured, the reason in one sentence.
        """
        return measured_or_reason(
            self._experiment.category, configuration, lambda: self._measure(configuration)
        )

    def _measure(self, configuration: Configuration) -> dict[str, Any]:
        experiment = self._experiment
        test = experiment.features.of(configuration, TEST)
        labels = experiment.features.samples(configuration, TEST).table["label"].to_numpy()
        content = {
            "calibrated": experiment.content(configuration, HELD_OUT),
            "test": test.content(),
            "labels": labels.tolist(),
            "rate": self._rate,
        }
        threshold: list[float] = []

        def detect(change: str, level: float) -> dict[str, Any]:
            score = experiment.fitted(configuration, UNSEEN)
            if not threshold:
                held_out = score(experiment.features.of(configuration, HELD_OUT))
                threshold.append(conformal_threshold(held_out.image_scores, self._rate))
            images = test
            if change != NO_CHANGE:
                function = CHANGES[change].change
                images = test.changed(f"{change}{level:g}", lambda image: function(image, level))
            return _measures(labels, score(images), threshold[0])

        steps = []
        for change, level in all_steps():
            name = entry("light", change=change, level=level, **content)
            found = remember_json(experiment.cache, name, partial(detect, change, level))
            steps.append({"change": change, "level": level, **found})
        return {"steps": steps}


def all_steps() -> list[tuple[str, float]]:
    """List names and levels of the changes, first that of none."""
    changed = [(name, level) for name, steps in CHANGES.items() for level in steps.levels]
    return [(NO_CHANGE, 0.0), *changed]


def _measures(labels: np.ndarray, found: Detection, threshold: float) -> dict[str, float | None]:
    scores = found.image_scores
    is_flagged = scores > threshold
    shares = [is_flagged[labels == label] for label in (0, 1)]
    is_measured = all(map(len, shares))
    flagged, detected = (
        float(one.mean()) if len(one) and np.isfinite(threshold) else None for one in shares
    )
    area = float(auroc(labels, scores)) if is_measured else None
    return {"image_auroc": area, "flagged": flagged, "found": detected}


def light_rows(
    category: str,
    configurations: Sequence[Mapping[str, Any]],
    reports: Sequence[dict[str, Any] | str],
) -> pd.DataFrame:
    """Make the rows of one category, one for each configuration and step.

    Args:
        category: Name of the category.
        configurations: Settings of each configuration.
        reports: Report of each configuration, or the reason for a missing one, see :meth:`LightEvaluator.report`.
    """
    rows: list[dict[str, Any]] = []
    for settings, report in zip(configurations, reports, strict=True):
        head = {"category": category, "defect_type": ALL_DEFECTS, **storable(settings)}
        if isinstance(report, str):
            rows.append({**head, "status": report})
        else:
            rows += [{**head, "status": MEASURED, **step} for step in report["steps"]]
    table = pd.DataFrame(rows).reindex(columns=[*COLUMNS, *STEP, *SHARES])
    return table.astype(dict.fromkeys([*NUMBERS, "level", *SHARES], float))
