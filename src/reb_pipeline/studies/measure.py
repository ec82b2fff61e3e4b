"""Metrics of configurations on the test images of a category."""

import hashlib
import logging
from collections.abc import Callable
from typing import Any

from reb_pipeline.core.content_cache import entry, remember_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import EMPTY, from_text
from reb_pipeline.images.samples import Samples
from reb_pipeline.metrics.report import evaluate
from reb_pipeline.metrics.significance import auroc_interval
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.groups import TEST

logger = logging.getLogger(__name__)


def measured_or_reason(
    category: str, configuration: Configuration, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any] | str:
    """Measure a configuration; if it cannot be measured, return the reason in one sentence."""
    try:
        return measure()
    except InputError as error:
        return f"error: {error}"
    except Exception as error:  # a failure must not stop the other configurations
        logger.exception("%s: a configuration of the study failed: %s", category, configuration)
        return f"error: {type(error).__name__}: {error}"


class Evaluator:
    """Metrics of configurations on the test images of a category; reports are cached.

    Args:
        experiment: The experiment on the category.
        pixel_metrics: True measures pixel metrics as well, if there are masks.
    """

    def __init__(self, experiment: Experiment, *, pixel_metrics: bool) -> None:
        self._experiment = experiment
        self._pixel_metrics = pixel_metrics
        self._masks: list[str] | None = None

    def report(self, configuration: Configuration) -> dict[str, Any] | str:
        """Measure a configuration.

        Returns:
            The report, see :func:`reb_pipeline.metrics.report.evaluate`. It also has ``labels`` and ``image_scores``
            of the test images, the interval ``image_auroc_low`` to ``image_auroc_high``, and ``fitted_alpha``. Timed
            experiments add the costs. If the configuration cannot be measured, the reason in one sentence.
        """

        def measure() -> dict[str, Any]:
            name = entry("reports", **self._content(configuration))
            found: dict[str, Any] = remember_json(
                self._experiment.cache, name, lambda: self._measure(configuration)
            )
            return found

        return measured_or_reason(self._experiment.category, configuration, measure)

    def _content(self, configuration: Configuration) -> dict[str, Any]:
        """List everything that determines a report, as JSON values."""
        experiment = self._experiment
        samples = experiment.features.samples(configuration, TEST)
        pixels: dict[str, Any] | None = None
        if self._pixel_metrics:
            pixels = {
                "masks": self._mask_digests(samples),
                "side": configuration.image_size,
                "smoothing_sigma": experiment.sections.scoring.smoothing_sigma,
                **self._protocol(),
            }
        return {
            "category": experiment.category,
            "scores": experiment.content(configuration, TEST),
            "samples": samples.table[["label", "defect_type"]].to_numpy().tolist(),
            "pixels": pixels,
        }

    def _protocol(self) -> dict[str, Any]:
        """Settings of the pixel metrics, arguments of ``evaluate``."""
        params = self._experiment.sections.evaluation
        return params.model_dump(exclude={"examples_per_kind"})

    def _mask_digests(self, samples: Samples) -> list[str]:
        """Hash the masks of each test image, with the saturation of annotated regions."""
        if self._masks is None:
            images = self._experiment.images
            self._masks = []
            for paths in samples.table["mask_paths"].map(from_text):
                digest = hashlib.blake2b(digest_size=16)
                for path in paths:
                    digest.update(hashlib.sha256(images.read(path)).digest())
                if images.has_regions and paths:
                    saturations = [part[1:] for part in images.open_regions(paths)]
                    digest.update(repr(saturations).encode())
                self._masks.append(digest.hexdigest())
        return self._masks

    def _measure(self, configuration: Configuration) -> dict[str, Any]:
        experiment = self._experiment
        detection = experiment.detect(configuration, TEST)
        if not self._pixel_metrics:  # without maps no time is spent on pixels
            detection = Detection(detection.image_ids, detection.image_scores, None)
        samples = experiment.features.samples(configuration, TEST).table
        scores = detection.table(samples)
        if detection.patch_scores is None:
            scores["mask_paths"] = EMPTY
        sigma = experiment.sections.scoring.smoothing_sigma
        label = f"{experiment.category}: pixel metrics" if self._pixel_metrics else None
        report = evaluate(
            scores,
            detection.anomaly_maps(configuration.image_size, sigma).placed(samples),
            experiment.images,
            **self._protocol(),
            description=label,
        )
        low, high = None, None
        if report["image_auroc"] is not None:
            low, high = auroc_interval(scores["label"], scores["image_score"])
        return {
            **report,
            "labels": scores["label"].tolist(),
            "image_scores": scores["image_score"].astype(float).tolist(),
            "image_auroc_low": low,
            "image_auroc_high": high,
            "fitted_alpha": experiment.fitted_alpha(configuration),
            **(experiment.costs(configuration) if experiment.timed else {}),
        }
