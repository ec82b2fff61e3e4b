"""Candidates of a category judged without labels."""

import logging
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from reb_pipeline.core.progress import progress
from reb_pipeline.images.samples import HOLD_OUT_EVERY
from reb_pipeline.parameters.configurations import Cell
from reb_pipeline.studies.experiment import Workbench
from reb_pipeline.studies.representations import FAINT, HELD_OUT, SYNTHETIC
from reb_pipeline.studies.rows import storable
from reb_pipeline.studies.selection import CRITERIA, FALSE_POSITIVE_RATE, criteria, mean_ranks

logger = logging.getLogger(__name__)

MIN_HELD_OUT = math.ceil(1 / FALSE_POSITIVE_RATE)  # fewer good images cannot show such a rate


def judge_candidates(bench: Workbench, cells: Sequence[Cell]) -> pd.DataFrame:
    """Ask the criteria of every candidate.

    Args:
        bench: The category.
        cells: The candidates.

    Returns:
        One row a candidate: its settings, the criteria, ``mean_rank`` and ``chosen``, true for one row. Where there are
        fewer than 20 held-out good images nothing is judged and the first candidate is kept.

    Raises:
        InputError: If a candidate cannot be measured.
    """
    category = bench.images.category
    table = pd.DataFrame([{"category": category, **storable(cell.settings())} for cell in cells])
    held_out = len(bench.rows(cells[0], HELD_OUT))
    if held_out < MIN_HELD_OUT:
        logger.warning(
            "%s has %d good images to choose by, fewer than %d: the first candidate is kept. Give more in the split "
            "calibration, or %d training images.", category, held_out, MIN_HELD_OUT, HOLD_OUT_EVERY * MIN_HELD_OUT,
        )  # fmt: skip
        unknown = dict.fromkeys(["mean_rank", *CRITERIA], np.nan)
        return table.assign(chosen=table.index == 0, **unknown)[_columns(cells)]
    groups = (HELD_OUT, SYNTHETIC, FAINT)
    found = [
        criteria(*(bench.detect(cell, group).image_scores for group in groups))
        for cell in progress(cells, f"{category}: candidates")
    ]
    ranks = mean_ranks(found)
    judged = table.join(pd.DataFrame(found))
    return judged.assign(mean_rank=ranks, chosen=table.index == ranks.argmax())[_columns(cells)]


def _columns(cells: Sequence[Cell]) -> list[str]:
    return ["category", "chosen", "mean_rank", *CRITERIA, *cells[0].settings()]
