"""Scores of drawn defects by a fitted detector."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import chain, islice

import numpy as np
import pandas as pd

from reb_pipeline.defectmaker.probes import Probe
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.features.extractor import extract_patches
from reb_pipeline.scoring.detector import MemoryBankDetector

BATCH = 64  # probes that are searched at once; neighbours of all patches take memory
COLUMNS = [field.name for field in fields(Probe) if field.name != "image"]


def score_probes(
    probes: Iterable[Probe], parts: ImageFeatures, detector: MemoryBankDetector, device: str
) -> pd.DataFrame:
    """Score images with drawn defects, as new images are scored.

    Args:
        probes: The images; each is opened once and not kept.
        parts: Features of the good images that the defects are drawn on.
        detector: The fitted detector.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        One row a probe: its fields without the image, and ``score``.

    Raises:
        InputError: If another network made the features of the detector.
    """
    detector.bank.check_extractor(parts.provenance)
    extractor, lean = parts.encoder.patches(), detector.lean()
    rows: list[list[object]] = []
    scores: list[np.ndarray] = []
    remaining = iter(probes)

    def opened(first: Probe) -> Iterator[tuple[str, np.ndarray]]:
        for probe in chain([first], islice(remaining, BATCH - 1)):
            rows.append([getattr(probe, name) for name in COLUMNS])
            yield f"{len(rows)}", probe.image

    for first in remaining:
        patches = extract_patches(extractor, opened(first), parts.encoder.settings.images_at_once)
        scores.append(lean.score(lean.search(patches, device)).image_scores)
    found = np.concatenate(scores) if scores else np.empty(0, np.float32)
    return pd.DataFrame(rows, columns=COLUMNS).assign(score=found.astype(float))
