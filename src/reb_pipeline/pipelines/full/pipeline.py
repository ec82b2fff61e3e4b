"""DAG of the default pipeline."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines import (
    calibration,
    defect_synthesis,
    evaluation,
    ingestion,
    ldknn_density,
    memory_bank,
    ssl_finetune,
)


def create_pipeline() -> Pipeline:
    """Create the pipeline of plain ``kedro run``: from raw images to the summary."""
    steps = [
        ingestion, defect_synthesis, ssl_finetune, memory_bank, ldknn_density, calibration, evaluation
    ]  # fmt: skip
    return Pipeline([step.create_pipeline() for step in steps])
