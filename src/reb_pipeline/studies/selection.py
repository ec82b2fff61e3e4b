"""Choice between configurations without labels: by held-out good images and synthetic defects on them.

Three criteria are measured for every candidate, because no single one predicts the detection of real defects well:

- ``detection_rate``: the share of synthetic defects with a score above 95 % of the good images. Image scores are used
  at low false positive rates, but the AUROC averages over all rates.
- ``separation``: the distance between good images and synthetic defects, in their common standard deviation.
- ``faint_auroc``: the AUROC of the same defects made faint, because plain defects may all be found.

Candidates are ranked by each criterion. The candidate with the highest mean rank is chosen; among equals the first.
"""

import json
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.configurations import AUTO, IMAGENET, PIXEL_DETECTORS
from reb_pipeline.parameters.per_category import PER_CATEGORY
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.studies.sections import BANK_SCORER, PLACES

FALSE_POSITIVE_RATE = 0.05
FAINT_OPACITY = 0.12
CRITERIA = ("detection_rate", "separation", "faint_auroc")


def make_faint(defective: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Fade a defect to 12 % opacity.

    Args:
        defective: Image with the defect, uint8 [height, width, 3].
        good: The same image without the defect, uint8 of the same shape.

    Returns:
        uint8 of the same shape.

    Example:
        >>> good, defective = np.full((1, 1, 3), 100, np.uint8), np.full((1, 1, 3), 200, np.uint8)
        >>> make_faint(defective, good).tolist()
        [[[112, 112, 112]]]
    """
    blended = good + FAINT_OPACITY * (defective.astype(np.float32) - good)
    return np.rint(blended).astype(np.uint8)


def criteria(good: np.ndarray, plain: np.ndarray, faint: np.ndarray) -> dict[str, float]:
    """Measure a candidate by all criteria.

    Args:
        good: Image scores of held-out good images, float32 [n].
        plain: Image scores of synthetic defects on these images, float32 [m].
        faint: Image scores of the same defects made faint, float32 [m].

    Returns:
        ``detection_rate`` in [0, 1], ``separation`` in standard deviations, ``faint_auroc`` in [0, 1].
    """
    threshold = np.quantile(good, 1 - FALSE_POSITIVE_RATE)
    spread = np.sqrt((good.var() + plain.var()) / 2)
    gap = float(plain.mean() - good.mean())
    labels = np.repeat([0, 1], [len(good), len(faint)])
    return {
        "detection_rate": float((plain > threshold).mean()),
        "separation": gap / float(spread) if spread > 0 else 0.0,
        "faint_auroc": float(auroc(labels, np.concatenate([good, faint]))),
    }


def mean_ranks(found: Sequence[dict[str, float]]) -> np.ndarray:
    """Average the ranks of each candidate over the criteria.

    Args:
        found: :func:`criteria` of each candidate.

    Returns:
        float64 [candidates], from 0 (last in all criteria) to 1 (first in all criteria); ties share their rank.
    """
    ranks = [rankdata([each[name] for each in found]) for name in CRITERIA]
    return (np.mean(ranks, axis=0) - 1) / max(1, len(found) - 1)


# Field of a candidate -> section and name of the parameter; "representation" becomes a switch.
_PLACES = {
    **PLACES, "max_neighbors": ("scoring", "max_neighbors"), "representation": ("ssl_finetune", "enabled")
}  # fmt: skip
_OF_IMAGES = ["image_score", "image_size"]
_OF_PATCHES = [
    "neck", "normalization", "global_branch", "anomaly_map",
    "detector", "n_neighbors", "max_neighbors", "alpha", "form", "coreset_ratio", "light_copies", "turned_copies",
    "distance",
    "representation",
]  # fmt: skip
_OF_LEVELS = ["feature_loss", "fusion"]
_OF_PIXELS = ["pixel_loss"]


def as_parameters(candidates: pd.DataFrame) -> dict[str, Any]:
    """Convert the chosen candidate of every category to the form of ``parameters.yml``.

    Args:
        candidates: One row per category and candidate: ``category``, ``chosen``, the settings of a configuration.

    Returns:
        ``{section: {per_category: {category: {name: value}}}}``, for the sections that the chosen detector reads.
    """
    parameters: dict[str, Any] = {}
    for row in candidates[candidates["chosen"]].to_dict("records"):
        for name in _read_by(row["detector"]):
            section, parameter = _PLACES[name]
            of_section = parameters.setdefault(section, {PER_CATEGORY: {}})[PER_CATEGORY]
            of_section.setdefault(row["category"], {})[parameter] = _value(row, name)
    return parameters


def _read_by(detector: str) -> list[str]:
    """List the names of the settings that a detector reads."""
    if detector == "feature_reconstruction":
        return _OF_IMAGES + _OF_LEVELS
    if detector == "hybrid":
        return _OF_IMAGES + _OF_PATCHES + _OF_LEVELS
    if detector in PIXEL_DETECTORS:
        return _OF_IMAGES + _OF_PIXELS
    return _OF_IMAGES + _OF_PATCHES


def _value(row: dict[Hashable, Any], name: str) -> Any:
    """Convert a setting of a configuration to the value of its parameter."""
    if name == "detector" and row["detector"] not in SCORERS:
        return BANK_SCORER
    if name == "representation":
        return row["representation"] != IMAGENET
    if name == "alpha" and row["alpha"] != AUTO:
        return float(row["alpha"])
    if name == "image_size":
        return json.loads(str(row[name]))  # a number, or the text of height and width
    # K may be above the former max_neighbors.
    return row["n_neighbors" if name == "max_neighbors" else name]
