"""DAG of the drift pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.drift.nodes import report_drift
from reb_pipeline.pipelines.namespaces import per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: inspection_history, calibration -> drift, drift_figure."""
    template = Pipeline(
        [
            Node(
                report_drift,
                ["inspection_history", "calibration", "params:drift"],
                ["drift", "drift_figure"],
                name="report_drift",
            )
        ]
    )
    return per_category("drift", template)
