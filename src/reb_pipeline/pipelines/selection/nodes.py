"""Nodes of the selection pipeline."""

from collections.abc import MutableMapping
from typing import Any

import pandas as pd

from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import (
    ComputeParams,
    DefectSynthesisParams,
    FeatureParams,
    FeatureReconstructionParams,
    IngestionParams,
    MemoryBankParams,
    PixelReconstructionParams,
    ScoringParams,
    SSLFinetuneParams,
)
from reb_pipeline.parameters.studies import SelectionParams


def judge_candidates(
    raw_images: ImageCollection,
    study_cache: MutableMapping[str, bytes],
    ingestion: IngestionParams,
    features: FeatureParams,
    defects: DefectSynthesisParams,
    finetuning: SSLFinetuneParams,
    memory_bank: MemoryBankParams,
    scoring: ScoringParams,
    feature_reconstruction: FeatureReconstructionParams,
    pixel_reconstruction: PixelReconstructionParams,
    compute: ComputeParams,
    representations: dict[str, dict[str, Any]],
    selection: SelectionParams,
) -> pd.DataFrame:
    """Judge all candidates on one category by held-out good images and synthetic defects; no test image takes part."""
    from reb_pipeline.studies import candidates
    from reb_pipeline.studies.measure import open_workbench
    from reb_pipeline.studies.sections import Sections

    sections = Sections(
        ingestion, features, defects, finetuning, memory_bank, scoring,
        feature_reconstruction, pixel_reconstruction, compute,
    )  # fmt: skip
    bench = open_workbench(
        raw_images.without("test"),
        sections,
        representations,
        selection.max_neighbors,
        study_cache,
    )
    return candidates.judge_candidates(bench, selection.cells(sections.defaults()))


def write_parameters(*candidates: pd.DataFrame) -> dict[str, Any]:
    """The chosen settings as parameters that an environment can take over."""
    from reb_pipeline.studies.selection import as_parameters

    return as_parameters(pd.concat(candidates, ignore_index=True))


def draw_selection(*candidates: pd.DataFrame) -> Any:
    """Bars of the mean rank of every candidate, by category; those that were not judged have none."""
    from reb_pipeline.figures.studies import bars_figure
    from reb_pipeline.studies.views import distinct_labels

    table = pd.concat(candidates, ignore_index=True).dropna(subset="mean_rank")
    return bars_figure(
        table.assign(candidate=distinct_labels(table, first="detector")),
        "candidate", "mean_rank", "category", "Candidates by their mean rank over the criteria",
    )  # fmt: skip
