"""Time of an inspection on this machine, measured before anything is learnt."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.memory_bank.bank import MemoryBank, collect_patches
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.parameters.configurations import AUTO
from reb_pipeline.scoring.detector import MemoryBankDetector

if TYPE_CHECKING:
    from reb_pipeline.features.extractor import PatchExtractor

REPEATS = 9  # timed inspections, of which the median counts


@dataclass(frozen=True)
class _Photos:
    """Source of the patches of photos by one network."""

    photos: Sequence[np.ndarray]
    extractor: "PatchExtractor"

    @property
    def image_ids(self) -> list[str]:
        return [f"{number}" for number in range(len(self.photos))]

    def patches(self) -> Iterator[tuple[str, np.ndarray]]:
        yield from zip(self.image_ids, self.extractor(self.photos), strict=True)


def inspection_milliseconds(
    photos: Sequence[np.ndarray],
    n_images: int,
    sections: Mapping[str, Any],
    clock: Callable[[], float] = perf_counter,
) -> float:
    """Measure an inspection, from a decoded photo to its score and anomaly map, with a coreset of the expected size.

    The rows of the coreset are drawn from the patches of the photos, so that the search has as much to do as in a
    trained model, and nothing is trained.

    Args:
        photos: Some photos, uint8 [height, width, 3] RGB each.
        n_images: Number of good photos that will be learnt from.
        sections: Parameters of the category, the models of the sections. The network is computed by the engine
            ``inspection.engine``.
        clock: Function that reads the seconds of a clock.

    Returns:
        Milliseconds of an image, the median of several.

    Raises:
        InputError: If backbone, weights or engine cannot be used.
    """
    engine = sections["inspection"].engine
    settings = sections["features"].model_copy(update={"engine": engine, "region": None})
    extractor = Encoder.initial(settings, "cpu").patches()
    bank = _drawn(_Photos(photos, extractor), n_images, sections["memory_bank"])
    alpha = sections["scoring"].alpha
    # Nothing that good images would be needed for.
    unfitted = {
        "normalization": "none",
        "zones": None,
        "global_branch": "none",
        "alpha": 1.0 if alpha == AUTO else alpha,
    }
    scoring = sections["scoring"].model_copy(update=unfitted)
    density = np.ones((len(bank.features), scoring.max_neighbors), np.float32)
    detector = MemoryBankDetector.of(bank, LocalDensity(density, bank.fingerprint), scoring).lean()

    def inspect(photo: np.ndarray) -> float:
        begin = clock()
        detection = detector.detect(_Photos([photo], extractor))
        list(detection.anomaly_maps(settings.image_size, scoring.smoothing_sigma))
        return clock() - begin

    inspect(photos[0])  # the first one is slower
    return 1000 * float(np.median([inspect(photos[n % len(photos)]) for n in range(REPEATS)]))


def _drawn(photos: _Photos, n_images: int, settings: Any) -> MemoryBank:
    """Draw the rows of a coreset of the expected size from the patches of photos."""
    whole = collect_patches(photos.patches(), len(photos.photos), {}, settings)
    per_image = len(whole.features) / len(photos.photos)
    n_rows = max(1, round(settings.coreset_ratio * n_images * per_image))
    rows = np.random.default_rng(0).integers(0, len(whole.features), n_rows)
    names = ("features", "image", "y", "x")
    return replace(whole, **{name: getattr(whole, name)[rows] for name in names})
