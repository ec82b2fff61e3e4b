"""Comparison of the choice without labels with other choices, on the test images of a category."""

from typing import Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.parameters.configurations import AUTO, Configuration, expand
from reb_pipeline.parameters.studies import SelectionParams
from reb_pipeline.studies.candidates import rank_candidates
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.measure import Evaluator
from reb_pipeline.studies.regret import choice_rows, unavailable_choices

PAPER = {
    "detector": "ldknn", "n_neighbors": 5, "alpha": 1.0, "form": "subtract_squared", "image_score": "block_max",
    "normalization": "none", "global_branch": "none", "anomaly_map": "score",
}  # fmt: skip


def compare_choices(experiment: Experiment, selection: SelectionParams) -> pd.DataFrame:
    """Compare the paper's default, the same with ``alpha = auto``, the choice without labels, and the best choices.

    Args:
        experiment: The experiment on the category.
        selection: The candidates, and further configurations for the best choice by test labels (the oracle).

    Returns:
        See :func:`reb_pipeline.studies.regret.choice_rows`.
    """
    category = experiment.category
    evaluator = Evaluator(experiment, pixel_metrics=False)
    defaults = experiment.sections.defaults()
    candidates = selection.candidates(defaults)
    try:
        ranked = rank_candidates(experiment, candidates)
    except InputError as error:
        return unavailable_choices(category, f"error: {error}")
    paper = Configuration(**{**defaults, **PAPER})
    auto = Configuration(**{**defaults, **PAPER, "alpha": AUTO})
    chosen = candidates[int(ranked["chosen"].to_numpy().argmax())]
    grids = [*selection.grids, *selection.oracle_grids]
    compared = list(dict.fromkeys([paper, auto, *expand(grids, defaults)]))
    reports: dict[Configuration, Any] = {
        one: evaluator.report(one)
        for one in progress(compared, f"{category}: configurations for the oracle")
    }
    return choice_rows(category, reports, candidates, paper=paper, auto=auto, chosen=chosen)
