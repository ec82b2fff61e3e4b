"""DAG of all pipelines."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines import evaluation, ingestion, ldknn_density, memory_bank


def create_pipeline() -> Pipeline:
    """From raw images to the summary: what plain ``kedro run`` runs."""
    steps = [ingestion, memory_bank, ldknn_density, evaluation]
    return Pipeline([step.create_pipeline() for step in steps])
