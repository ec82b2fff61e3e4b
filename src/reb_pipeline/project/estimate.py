"""Estimate of the time of a training, from short measurements on this machine."""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.project.photos import Category

START_SECONDS = 30.0  # import of libraries, figures, export and check of the packaged network
OPENED = 3  # times that a photo is opened
# Cost of an image of the fine-tuning over one of the extraction; batches are larger, many updates train the head alone.
TRAINED = 0.8
BATCH = 4
ROWS = 100_000  # of the measured product of a matrix and a vector, more than fit into a cache
REPEATS = 5
LONG_SECONDS = 1.0  # of measurements together
BLOCKED = 8.0  # gain of a product of two matrices over as many of a matrix and a vector


def estimate_seconds(categories: Iterable[Category], parameters: dict[str, Any]) -> float:
    """Estimate the time of a training, to within a factor of about two.

    Opening a photo, the network and a pass over the memory bank are measured, and multiplied by the numbers of photos,
    of updates of the fine-tuning, and of rows of bank and coreset.

    Args:
        categories: The categories.
        parameters: Parameters of the run, the models of the sections by category.
    """
    return START_SECONDS + sum(_seconds(one, parameters[one.name]) for one in categories)


def time_text(seconds: float) -> str:
    """Format a time that is roughly known.

    Example:
        >>> time_text(40), time_text(200), time_text(8000)
        ('about a minute', 'about 3 minutes', 'about 2.2 hours')
    """
    minutes = round(seconds / 60)
    if minutes <= 1:
        return "about a minute"
    return f"about {minutes} minutes" if minutes < 90 else f"about {seconds / 3600:.1f} hours"


def _seconds(category: Category, sections: dict[str, Any]) -> float:
    from reb_pipeline.features.extractor import PatchExtractor

    samples, features = category.images.samples, sections["features"]
    try:
        image = category.images.open_image(samples[0].path)
    except InputError:  # the run says which photos cannot be read
        image = np.zeros((*shape_of(features.image_size), 3), np.uint8)
        open_seconds = 0.0
    else:
        open_seconds = _measured(lambda: category.images.open_image(samples[0].path))
    # By PyTorch, which computes the fine-tuning, and because another engine takes seconds to convert the network.
    extractor = PatchExtractor(features.model_copy(update={"engine": "torch"}))
    batch = [image] * min(BATCH, features.images_at_once)
    _, height, width, channels = extractor(batch).shape  # the first pass is slower
    forward = _measured(lambda: extractor(batch)) / len(batch)
    memory_bank = sections["memory_bank"]
    copies = category.shares.train * memory_bank.light_copies
    rows = (category.shares.train + copies) * height * width
    coreset = rows * memory_bank.coreset_ratio
    matrix = np.ones((ROWS, channels), np.float32)
    row_seconds = _measured(lambda: matrix @ matrix[0]) / ROWS
    searched = len(samples) * height * width
    seconds: float = (
        OPENED * len(samples) * open_seconds
        + (len(samples) + copies) * forward
        + _finetuned_images(sections, features.image_size) * TRAINED * forward
        + rows * coreset * row_seconds
        + searched * coreset * row_seconds / BLOCKED
    )
    return seconds


def _finetuned_images(sections: dict[str, Any], image_size: Size) -> float:
    """Count the images of the fine-tuning, in images of the size of the extraction."""
    settings, defects = sections["ssl_finetune"], sections["defect_synthesis"]
    if not settings.enabled:
        return 0.0
    budget = settings.chosen
    kinds = 1 + len(defects.shapes) * len(defects.fills)
    images = budget.updates * budget.passes_per_update * budget.images_per_pass * kinds
    height, width = shape_of(image_size)
    return float(images * budget.image_size**2 / (height * width))


def _measured(work: Callable[[], Any]) -> float:
    """Measure the seconds of a piece of work, the shortest of several times; of long work, of one or two."""
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < LONG_SECONDS:
        begin = perf_counter()
        work()
        times.append(perf_counter() - begin)
    return min(times)
