"""Nodes of the selection pipeline."""

from collections.abc import MutableMapping
from typing import Any

import pandas as pd

from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.per_category import PER_CATEGORY
from reb_pipeline.parameters.studies import SelectionParams


def rank_candidates(
    raw_images: ImageCollection,
    study_cache: MutableMapping[str, bytes],
    parameters: dict[str, Any],
    selection: SelectionParams,
) -> pd.DataFrame:
    """Rank all candidates on one category by held-out good images and synthetic defects, without test images."""
    from reb_pipeline.studies import candidates
    from reb_pipeline.studies.experiment import Experiment
    from reb_pipeline.studies.sections import StudySections

    sections = StudySections.of(parameters, raw_images.category)
    images = raw_images.without("test")
    experiment = Experiment(images, sections, study_cache, selection.max_neighbors)
    return candidates.rank_candidates(experiment, selection.candidates(sections.defaults()))


def write_parameters(*candidates: pd.DataFrame) -> dict[str, Any]:
    """Write the chosen settings as parameters for an environment, and that they were chosen."""
    from reb_pipeline.studies.selection import as_parameters

    selected = as_parameters(pd.concat(candidates, ignore_index=True))
    with_a_bank = selected.get("memory_bank", {}).get(PER_CATEGORY, {})  # others are not calibrated
    if with_a_bank:
        marked = {category: {"chosen_by_selection": True} for category in with_a_bank}
        selected["calibration"] = {PER_CATEGORY: marked}
    return selected


def draw_selection(*candidates: pd.DataFrame) -> Any:
    """Draw dots of the mean rank of every candidate, the best on top; candidates without a rank have none."""
    from reb_pipeline.figures.studies import dots_figure
    from reb_pipeline.studies.views import distinct_labels, sorted_by_mean

    table = pd.concat(candidates, ignore_index=True).dropna(subset="mean_rank")
    table = table.assign(candidate=distinct_labels(table, first="detector"))
    return dots_figure(
        sorted_by_mean(table, "candidate", "mean_rank"),
        "mean_rank", "candidate", "category", "Candidates by their mean rank over the criteria",
    )  # fmt: skip
