"""DAG of the evaluation pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.config_loader import categories
from reb_pipeline.pipelines.evaluation.nodes import (
    compute_metrics,
    draw_figures,
    score_images,
    search_memory_bank,
    summarize,
)
from reb_pipeline.pipelines.per_category import per_category


def create_pipeline() -> Pipeline:
    """Test samples -> nearest_patches -> scores, anomaly_maps -> metrics, figures; all metrics -> summary."""
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
                ],
                "nearest_patches",
                name="search_memory_bank",
            ),
            Node(
                score_images,
                ["samples", "nearest_patches", "local_density", "params:features", "params:ldknn"],
                ["scores", "anomaly_maps"],
                name="score_images",
            ),
            Node(
                compute_metrics,
                ["scores", "raw_images", "anomaly_maps", "params:evaluation"],
                "metrics",
                name="compute_metrics",
            ),
            Node(
                draw_figures,
                ["scores", "raw_images", "anomaly_maps", "metrics", "params:evaluation"],
                ["roc_curve", "score_histogram", "hardest_images", "report"],
                name="draw_figures",
            ),
        ]
    )
    sections = ["features", "ldknn", "evaluation"]
    comparison = Node(
        summarize,
        ["params:summary", *(f"metrics_{category}" for category in categories())],
        ["summary", "summary_figure"],
        name="summarize",
    )
    return Pipeline([per_category(template, sections, outputs=["metrics"]), comparison])
