"""Nodes that all studies share."""

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
from reb_pipeline.parameters.studies import StudyParams


def measure_cells(
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
    study: StudyParams,
) -> pd.DataFrame:
    """Measure all cells of a study on one category; what was measured before is read, not measured again."""
    from reb_pipeline.core.progress import progress
    from reb_pipeline.studies.measure import CellMeter, open_workbench
    from reb_pipeline.studies.rows import failed_rows, study_rows
    from reb_pipeline.studies.sections import Sections

    sections = Sections(
        ingestion, features, defects, finetuning, memory_bank, scoring,
        feature_reconstruction, pixel_reconstruction, compute,
    )  # fmt: skip
    cells = study.cells(sections.defaults())
    settings = [cell.settings() for cell in cells]
    category = raw_images.category
    if isinstance(raw_images, UnavailableImages):
        return failed_rows(category, settings, f"not available: {raw_images.reason}")
    try:
        bench = open_workbench(
            raw_images,
            sections,
            representations,
            study.max_neighbors,
            study_cache,
            timed=study.speed,
        )
    except InputError as error:  # one category must not cost the others
        return failed_rows(category, settings, f"error: {error}")
    meter = CellMeter(bench, evaluation, study.pixel_metrics)
    reports = [meter.report(cell) for cell in progress(cells, f"{category}: cells of the study")]
    return study_rows(category, settings, reports, study.reference)


def gather_table(benchmark: str, study: StudyParams, *rows: pd.DataFrame) -> pd.DataFrame:
    """One table over categories, with means and the paper's numbers."""
    from reb_pipeline.studies.published import published
    from reb_pipeline.studies.rows import beside_published, with_means

    table = with_means(pd.concat(rows, ignore_index=True), study.reference)
    if not study.published_tables:
        return table
    numbers = [published(number) for number in study.published_tables]
    return beside_published(table, pd.concat(numbers, ignore_index=True), benchmark)
