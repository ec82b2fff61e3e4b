"""Costs of a detector: seconds of the fit, images per second, memory."""

from collections.abc import Callable
from statistics import median
from typing import Any, TypeVar

from reb_pipeline.detectors.interface import FeatureSource
from reb_pipeline.detectors.sources.cached import CachedFeatures

SPEED_IMAGES, SPEED_REPEATS = 16, 3
T = TypeVar("T")


def timed_fit(good: CachedFeatures, fit: Callable[[FeatureSource], T]) -> tuple[T, float]:
    """Fit a detector without the cache and measure the time.

    Returns:
        Result of ``fit``, and its seconds, without the opening of images.
    """
    return good.fresh().timed(fit)


def inspection_costs(
    images: CachedFeatures, detect: Callable[[FeatureSource], Any], nbytes: int
) -> dict[str, float]:
    """Measure speed and memory of a fitted detector on opened images.

    Args:
        images: The images; the first sixteen are used.
        detect: Function that scores images.
        nbytes: Bytes of the detector.

    Returns:
        ``images_per_second``, the median of three rounds, and ``model_mib``, the size of the detector and the encoder's
        weights in MiB.
    """
    opened = images.opened(SPEED_IMAGES)
    detect(opened)  # the first round loads networks and is slower
    seconds = [opened.timed(detect)[1] for _ in range(SPEED_REPEATS)]
    return {
        "images_per_second": len(opened.image_ids) / median(seconds),
        "model_mib": (nbytes + opened.encoder_bytes) / 2**20,
    }
