"""DAG of the comparison of runs."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.compare.nodes import compare_stored_runs


def create_pipeline() -> Pipeline:
    """Create the pipeline: everything that runs stored -> run_comparison, run_comparison_figure."""
    return Pipeline(
        [
            Node(
                compare_stored_runs,
                ["stored_reports", "stored_samples", "stored_scores", "params:compare"],
                ["run_comparison", "run_comparison_figure"],
                name="compare_stored_runs",
            )
        ]
    )
