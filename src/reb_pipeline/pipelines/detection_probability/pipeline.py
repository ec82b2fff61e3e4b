"""DAG of the detection probability pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.detection_probability.nodes import (
    score_drawn_defects,
    state_found_sizes,
)
from reb_pipeline.pipelines.evaluation.nodes import write_report
from reb_pipeline.pipelines.evaluation.pipeline import REPORTED
from reb_pipeline.pipelines.namespaces import CATEGORY, COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: held-out good images -> defect_draws -> detection_probability, figure -> report."""
    template = Pipeline(
        [
            Node(
                score_drawn_defects,
                [
                    "samples",
                    "raw_images",
                    "saliency",
                    "backbone",
                    "detector",
                    "calibration",
                    "params:features",
                    "params:defect_synthesis",
                    "params:detection_probability",
                    COMPUTE,
                ],
                "defect_draws",
                name="score_drawn_defects",
                tags=GPU,
            ),
            Node(
                state_found_sizes,
                ["defect_draws", "calibration", "params:detection_probability", CATEGORY],
                ["detection_probability", "detection_probability_figure"],
                name="state_found_sizes",
            ),
            Node(
                write_report,
                [*REPORTED, "detection_probability"],
                "detection_probability_report",
                name="write_report",
            ),
        ]
    )
    return per_category("detection_probability", template, inputs=["metrics"])
