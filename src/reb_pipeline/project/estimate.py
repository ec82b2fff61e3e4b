"""Estimate of the time of a run from images to metrics, from short measurements on this machine."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.memory_bank.held_out import ENOUGH

START_SECONDS = 30.0  # import of libraries, export and check of a packaged network
DRAWN_SECONDS = 8.0  # of a category: defects and their gallery
FIGURES_SECONDS = 8.0  # of a category: figures and report
OPENED = 3  # times that an image is opened
# Cost of an image of the fine-tuning over one of the extraction; batches are larger, many updates train the head alone.
TRAINED = 0.8
BATCH = 4
BLOCK = (256, 1024)  # queries and rows of the measured product
REPEATS = 9
LONG_SECONDS = 1.0  # of measurements together
# Time over that of the products of all pairs, as trainings of three sizes took.
CORESET, DENSITY, SEARCH = 1.3, 1.8, 2.6

# Name of a node within its pipeline -> seconds; nodes that take little are left out.
Seconds = dict[str, float]


def estimate(
    images: Mapping[str, ImageCollection], parameters: Mapping[str, Any]
) -> dict[str, Seconds]:
    """Estimate the time of the nodes of each category, to within a factor of about two.

    Opening an image, the network by the engine that will compute it, and the products of a search are measured, and
    multiplied by the numbers of images, of updates of the fine-tuning, and of rows of bank and coreset.

    Args:
        images: Images of each category.
        parameters: Parameters of the run, the models of the sections by category.
    """
    networks: dict[str, tuple[float, float, tuple[int, ...]]] = {}
    device = parameters["compute"].device
    return {name: _seconds(one, parameters[name], device, networks) for name, one in images.items()}


def total(seconds: Mapping[str, Seconds]) -> float:
    """Add the nodes of all categories, and the start of the program."""
    return START_SECONDS + sum(sum(nodes.values()) for nodes in seconds.values())


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


def statement(seconds: Mapping[str, Seconds]) -> str:
    """Describe an estimate in one line.

    Example:
        >>> statement({"bolt": {"select_coreset": 2000.0}, "nut": {"select_coreset": 3900.0}})
        '2 categories, about 1.6 hours on this machine; the longest is nut'
    """
    text = f"{time_text(total(seconds))} on this machine"
    if len(seconds) == 1:
        return text
    longest = max(seconds, key=lambda name: sum(seconds[name].values()))
    return f"{len(seconds)} categories, {text}; the longest is {longest}"


def _seconds(
    images: ImageCollection,
    sections: Mapping[str, Any],
    device: str,
    networks: dict[str, tuple[float, float, tuple[int, ...]]],
) -> Seconds:
    samples, features = images.samples, sections["features"]
    n_good, n_calibration, n_test = (
        sum(one.split == split and not (split == "train" and one.label) for one in samples)
        for split in ("train", "calibration", "test")
    )
    image, opening = _opened(images, features.image_size)
    key = features.model_dump_json()
    if key not in networks:
        networks[key] = _network(image, features, device, tuned=sections["ssl_finetune"].enabled)
    forward, trained, (height, width, channels) = networks[key]
    per_image = height * width
    memory_bank = sections["memory_bank"]
    n_learnt = n_good * (1 + len(memory_bank.copies))
    rows = n_learnt * per_image
    coreset = rows * memory_bank.coreset_ratio
    pair = _pair_seconds(channels)
    searching = SEARCH * per_image * coreset * pair
    searched = opening + forward + searching
    return {
        "inspect_images": (OPENED - 1) * len(samples) * opening,
        "synthesize_defects": DRAWN_SECONDS,
        "finetune_backbone": _finetuned_images(sections, features.image_size) * TRAINED * trained,
        "extract_patch_features": n_good * opening + n_learnt * forward,
        "select_coreset": CORESET * rows * coreset * pair,
        "measure_local_density": DENSITY * rows * coreset * pair,
        "search_own_images": min(n_good, ENOUGH) * searching,
        "search_held_out_images": n_calibration * searched,
        "search_memory_bank": n_test * searched,
        "draw_figures": FIGURES_SECONDS,
        "score_drawn_defects": _drawn_defects(sections) * searched,
    }


def _drawn_defects(sections: Mapping[str, Any]) -> int:
    """Count the defects that the probability of detection is measured with."""
    settings = sections.get("detection_probability")
    if settings is None or not settings.enabled:
        return 0
    defects = sections["defect_synthesis"]
    kinds = len(defects.shapes) * len(defects.fills)
    return int(settings.draws * len(settings.contrasts) * kinds)


def _opened(images: ImageCollection, size: Size) -> tuple[np.ndarray, float]:
    """Open an image and measure the seconds; the run says which images cannot be read."""
    path = images.samples[0].path
    try:
        return images.open_image(path), _measured(lambda: images.open_image(path))
    except InputError:
        return np.zeros((*shape_of(size), 3), np.uint8), 0.0


def _network(
    image: np.ndarray, features: Any, device: str, *, tuned: bool
) -> tuple[float, float, tuple[int, ...]]:
    """Measure a network.

    Returns:
        Seconds of an image by the engine of the settings, and by PyTorch if it will be fine-tuned, else 0; shape of the
        features of an image, (h, w, channels).
    """
    from reb_pipeline.detectors.sources.encoder import Encoder

    encoder = Encoder.initial(features.with_region(None), device)
    settings = encoder.tapping(None)  # converted networks are kept for the run
    extractor = replace(encoder, settings=settings).patches()
    batch = [image] * min(BATCH, features.images_at_once)
    shape = extractor(batch).shape[1:]  # the first pass is slower
    seconds = _measured(lambda: extractor(batch)) / len(batch)
    trained = seconds
    if tuned and settings.engine != "torch":
        trained, _, _ = _network(
            image, features.model_copy(update={"engine": "torch"}), device, tuned=False
        )
    return seconds, trained, shape


def _pair_seconds(channels: int) -> float:
    """Measure the product of a query and a row, within a product of matrices."""
    queries, rows = (np.ones((n, channels), np.float32) for n in BLOCK)
    return _measured(lambda: queries @ rows.T) / (BLOCK[0] * BLOCK[1])


def _finetuned_images(sections: Mapping[str, Any], image_size: Size) -> float:
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
