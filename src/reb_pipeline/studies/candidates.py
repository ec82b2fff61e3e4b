"""Ranking of the candidates of a category without labels."""

import logging
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from reb_pipeline.core.progress import progress
from reb_pipeline.images.samples import HOLD_OUT_EVERY
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.groups import FAINT, HELD_OUT, SYNTHETIC
from reb_pipeline.studies.rows import storable
from reb_pipeline.studies.selection import CRITERIA, FALSE_POSITIVE_RATE, criteria, mean_ranks

logger = logging.getLogger(__name__)

MIN_HELD_OUT = math.ceil(1 / FALSE_POSITIVE_RATE)  # good images, to measure such a rate


def rank_candidates(experiment: Experiment, candidates: Sequence[Configuration]) -> pd.DataFrame:
    """Rank candidates by all criteria.

    Args:
        experiment: The experiment on the category.
        candidates: The candidates.

    Returns:
        One row per candidate: its settings, the criteria, ``mean_rank`` and ``chosen``, True for one row. With fewer
        than 20 held-out good images nothing is ranked, and the first candidate is chosen.

    Raises:
        InputError: If a candidate cannot be measured.
    """
    category = experiment.category
    rows = [{"category": category, **storable(one.settings())} for one in candidates]
    table = pd.DataFrame(rows).astype({"shots": float})
    held_out = len(experiment.features.samples(candidates[0], HELD_OUT))
    if held_out < MIN_HELD_OUT:
        logger.warning(
            "%s has %d good images to choose by, fewer than %d: the first candidate is kept. Give more in the split "
            "calibration, or %d training images.", category, held_out, MIN_HELD_OUT, HOLD_OUT_EVERY * MIN_HELD_OUT,
        )  # fmt: skip
        unknown = dict.fromkeys(["mean_rank", *CRITERIA], np.nan)
        return table.assign(chosen=table.index == 0, **unknown)[_columns(candidates)]
    groups = (HELD_OUT, SYNTHETIC, FAINT)
    found = [
        criteria(*(experiment.detect(one, group).image_scores for group in groups))
        for one in progress(candidates, f"{category}: candidates")
    ]
    ranks = mean_ranks(found)
    ranked = table.join(pd.DataFrame(found))
    ranked = ranked.assign(mean_rank=ranks, chosen=table.index == ranks.argmax())
    return ranked[_columns(candidates)]


def _columns(candidates: Sequence[Configuration]) -> list[str]:
    return ["category", "chosen", "mean_rank", *CRITERIA, *candidates[0].settings()]
