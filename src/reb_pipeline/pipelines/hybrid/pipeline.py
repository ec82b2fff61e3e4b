"""DAG of the hybrid pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.evaluation.nodes import compute_metrics
from reb_pipeline.pipelines.hybrid.nodes import draw_comparison, fuse_detectors
from reb_pipeline.pipelines.namespaces import CATEGORY, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: patches and residual maps of test and held-out images -> scores, maps, metrics, figure."""
    template = Pipeline(
        [
            Node(
                fuse_detectors,
                [
                    "samples",
                    "nearest_patches",
                    "held_out_patches",
                    "detector",
                    "feature_residuals",
                    "held_out_feature_residuals",
                    "params:features",
                    "params:feature_reconstruction",
                    "params:scoring",
                ],
                ["hybrid_scores", "hybrid_maps"],
                name="fuse_detectors",
            ),
            Node(
                compute_metrics,
                ["hybrid_scores", "raw_images", "hybrid_maps", "params:evaluation"],
                "hybrid_metrics",
                name="compute_hybrid_metrics",
            ),
            Node(
                draw_comparison,
                ["hybrid_scores", CATEGORY],
                "hybrid_comparison",
                name="draw_comparison",
            ),
        ]
    )
    return per_category("hybrid", template, outputs=["hybrid_metrics"])
