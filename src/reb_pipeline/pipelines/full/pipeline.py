"""DAG of all pipelines."""

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
    """From raw images to the summary: what plain ``kedro run`` runs."""
    steps = [
        ingestion, defect_synthesis, ssl_finetune, memory_bank, ldknn_density, calibration, evaluation
    ]  # fmt: skip
    return Pipeline([step.create_pipeline() for step in steps])
