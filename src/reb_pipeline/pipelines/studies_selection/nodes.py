"""Nodes of the study of the selection."""

from collections.abc import MutableMapping
from typing import Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import ImageCollection, UnavailableImages
from reb_pipeline.parameters.sections import (
    ComputeParams,
    DefectSynthesisParams,
    EvaluationParams,
    FeatureParams,
    FeatureReconstructionParams,
    IngestionParams,
    MemoryBankParams,
    PixelReconstructionParams,
    ScoringParams,
    SSLFinetuneParams,
)
from reb_pipeline.parameters.studies import SelectionParams


def measure_choices(
    raw_images: ImageCollection | UnavailableImages,
    study_cache: MutableMapping[str, bytes],
    ingestion: IngestionParams,
    features: FeatureParams,
    defects: DefectSynthesisParams,
    finetuning: SSLFinetuneParams,
    memory_bank: MemoryBankParams,
    scoring: ScoringParams,
    feature_reconstruction: FeatureReconstructionParams,
    pixel_reconstruction: PixelReconstructionParams,
    evaluation: EvaluationParams,
    compute: ComputeParams,
    representations: dict[str, dict[str, Any]],
    selection: SelectionParams,
) -> pd.DataFrame:
    """Measure the default, the choice and the oracle on the test images of one category."""
    from reb_pipeline.studies.choices import compare_choices
    from reb_pipeline.studies.measure import CellMeter, open_workbench
    from reb_pipeline.studies.regret import unavailable_choices
    from reb_pipeline.studies.sections import Sections

    if isinstance(raw_images, UnavailableImages):
        return unavailable_choices(raw_images.category, f"not available: {raw_images.reason}")
    sections = Sections(
        ingestion, features, defects, finetuning, memory_bank, scoring,
        feature_reconstruction, pixel_reconstruction, compute,
    )  # fmt: skip
    try:
        bench = open_workbench(
            raw_images, sections, representations, selection.max_neighbors, study_cache
        )
    except InputError as error:  # one category must not cost the others
        return unavailable_choices(raw_images.category, f"error: {error}")
    meter = CellMeter(bench, evaluation, pixel_metrics=False)
    return compare_choices(bench, meter, selection)


def gather_choices(*rows: pd.DataFrame) -> pd.DataFrame:
    """One table over categories, with means."""
    from reb_pipeline.studies.regret import with_mean_choices

    return with_mean_choices(pd.concat(rows, ignore_index=True))


def draw_choices(table: pd.DataFrame) -> Any:
    """Bars of default, choice and oracle by category."""
    from reb_pipeline.figures.studies import bars_figure

    return bars_figure(
        table.dropna(subset="image_auroc"), "category", "image_auroc", "choice", "Choosing without labels",
        low="image_auroc_low", high="image_auroc_high",
    )  # fmt: skip
