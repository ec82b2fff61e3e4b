"""Pipelines: an own step behind those of reb_pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.elsewhere import pipeline_for


def release(metrics: dict, limit: float) -> str:
    """Say whether the model may go to the line."""
    return "released" if metrics["image_auroc"] >= limit else "held back"


def register_pipelines() -> dict[str, Pipeline]:
    """Register the pipeline `full` of reb_pipeline below the name of the line, and what reads its metrics."""
    inspection = Pipeline(pipeline_for("full", ["bolt"]), namespace="line_3")
    inputs = ["line_3.metrics_bolt", "params:release_limit"]
    return {
        "__default__": inspection + Pipeline([Node(release, inputs, "decision", name="release")])
    }
