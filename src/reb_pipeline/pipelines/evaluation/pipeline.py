"""DAG of the evaluation pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.evaluation.nodes import (
    compute_metrics_at_threshold,
    draw_density,
    draw_figures,
    score_images,
    search_memory_bank,
    summarize,
    write_report,
)
from reb_pipeline.pipelines.namespaces import CATEGORY, COMPUTE, GPU, per_category

# Inputs of the report.
REPORTED = [
    "scores", "raw_images", "anomaly_maps", "metrics", "calibration", "detector", "samples", "suspects"
]  # fmt: skip


def create_pipeline() -> Pipeline:
    """Create the pipeline: test samples -> nearest_patches -> scores, maps -> metrics, figures -> summary."""
    template = Pipeline(
        [
            Node(
                search_memory_bank,
                [
                    "samples",
                    "raw_images",
                    "backbone",
                    "memory_bank",
                    "coreset",
                    "params:features",
                    "params:scoring",
                    COMPUTE,
                ],
                "nearest_patches",
                name="search_memory_bank",
                tags=GPU,
            ),
            Node(
                score_images,
                [
                    "samples",
                    "nearest_patches",
                    "detector",
                    "params:features",
                    "params:scoring",
                ],
                ["scores", "anomaly_maps"],
                name="score_images",
            ),
            Node(
                draw_density,
                ["scores", "nearest_patches", "held_out_patches", "detector", CATEGORY],
                "density_figure",
                name="draw_density",
            ),
            Node(
                compute_metrics_at_threshold,
                [
                    "scores",
                    "raw_images",
                    "anomaly_maps",
                    "params:evaluation",
                    "calibration",
                    "detector",
                ],
                "metrics",
                name="compute_metrics",
            ),
            Node(
                draw_figures,
                ["scores", "raw_images", "anomaly_maps", "metrics", "params:evaluation"],
                ["roc_curve", "score_histogram", "hardest_images"],
                name="draw_figures",
            ),
            Node(
                write_report,
                REPORTED,
                "report",
                name="write_report",
            ),
        ]
    )
    comparison = Node(
        summarize,
        ["params:summary", *(f"metrics_{category}" for category in categories())],
        ["summary", "summary_figure"],
        name="summarize",
    )
    return Pipeline([per_category("evaluation", template, outputs=["metrics"]), comparison])
